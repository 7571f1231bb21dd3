"""What a model says of the rows that judge it, one line a row, for any program that reads CSV."""

from __future__ import annotations

import csv
import io

from core.model import LogisticModel
from trainer.holdout import Holdout
from trainer.split import Rows

#: Where a run keeps them.
PREDICTIONS_ARTIFACT = "predictions.csv"
_COLUMNS = ("row", "label", "logit", "probability", "predicted")


def encode_predictions(model: LogisticModel, holdout: Holdout, rows: Rows | None = None) -> bytes:
    """``predictions.csv``: what the scorer would publish of each held-out row, with digits that read back exactly.

    ``row`` (n,) is the number of the row in the table that was split, from 0; without numbers the cells are empty.
    ``label`` is the outcome and ``predicted`` the class at the model's threshold, both 0 or 1; ``logit`` is raw,
    ``probability`` calibrated where the model is.
    """
    scores = model.score(holdout.x)
    numbers: list[object] = [""] * len(holdout.y) if rows is None else rows.tolist()
    lines = zip(
        numbers,
        holdout.y.tolist(),
        map(repr, scores.logit.tolist()),
        map(repr, scores.probability.tolist()),
        scores.predicted.tolist(),
        strict=True,
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(lines)
    return text.getvalue().encode()
