"""Which rows have labels: what a decision on labelled rows says of all rows depends on it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from core.model import LogisticModel
from trainer.dataset import SeenRows
from trainer.fit import probability

#: Said in every decision: what makes figures of labelled rows figures of all rows.
ASSUMPTION = (
    "Rows with a label are taken to be like those without: whether a label came must not depend on the outcome "
    "beyond what the features say. Labels that exist only for records that were acted on break this unless each "
    "row is weighted by one over its chance of a label."
)
#: Shares of labelled rows that differ by more standard errors than this differ by more than chance.
_UNEVEN_ERRORS = 3.0
#: Differences in coverage that nobody needs to hear of.
_UNEVEN_SHARE = 0.1


class ClassCoverage(msgspec.Struct, frozen=True):
    """The rows of which production predicts one class."""

    predicted: int  #: 0 or 1
    rows: int
    labelled_rows: int

    @property
    def share(self) -> float | None:
        """How many of them have a label; None where there are none."""
        return self.labelled_rows / self.rows if self.rows else None


class LabelCoverage(msgspec.Struct, frozen=True):
    """How many of the rows that could have been labelled were."""

    rows: int  #: sampled rows from the same record on as the labelled ones
    labelled_rows: int
    share: float
    by_prediction: tuple[ClassCoverage, ...] = ()  #: empty where the rows without labels are not known
    warning: str = ""  #: one sentence where labels came unevenly


def label_coverage(parts: Iterable[SeenRows], model: LogisticModel) -> LabelCoverage:
    """Coverage of rows with and without labels, by what ``model``, which acts on them, predicts."""
    rows, labelled = [0, 0], [0, 0]
    for x, known in parts:
        positive = probability(model, x) >= model.threshold
        for predicted, chosen in ((0, ~positive), (1, positive)):
            rows[predicted] += int(chosen.sum())
            labelled[predicted] += int((chosen & known).sum())
    by_prediction = tuple(ClassCoverage(predicted, rows[predicted], labelled[predicted]) for predicted in (0, 1))
    share = sum(labelled) / sum(rows) if sum(rows) else 0.0
    return LabelCoverage(sum(rows), sum(labelled), share, by_prediction, _warning(by_prediction, share))


def _warning(by_prediction: tuple[ClassCoverage, ...], share: float) -> str:
    shares = [each.share for each in by_prediction]
    if shares[0] is None or shares[1] is None:
        return ""
    error = np.sqrt(share * (1.0 - share) * sum(1.0 / each.rows for each in by_prediction))
    gap = abs(shares[1] - shares[0])
    if gap <= max(_UNEVEN_SHARE, _UNEVEN_ERRORS * error):
        return ""
    return (
        f"Labels came for {shares[1]:.0%} of the rows that production predicts to be class 1 and for "
        f"{shares[0]:.0%} of the others, so the figures are more of the former than of the latter."
        if shares[1] > shares[0]
        else f"Labels came for {shares[0]:.0%} of the rows that production predicts to be class 0 and for "
        f"{shares[1]:.0%} of the others, so the figures are more of the former than of the latter."
    )
