"""A model's figures on the rows that its run held out, told with its promotion: who reads Redis has no run."""

from __future__ import annotations

import math
from contextlib import suppress

import msgspec
import numpy as np

from core.errors import UnknownRun
from core.miniflow import MiniFlow
from core.model_file import ModelFile
from core.own_figures import OwnFigure, OwnFigures, read_own_figures
from trainer.evaluation import evaluate, evaluation_intervals
from trainer.fit import probability
from trainer.holdout import Holdout
from trainer.imported.judged_rows import run_may_have_seen
from trainer.metrics.bootstrap import REPLICATES, Bootstrap, Interval
from trainer.promotion.decision import DECISION_ARTIFACT
from trainer.retraining import own_holdout

#: What is told, by its name in :class:`trainer.evaluation.Evaluation`: the figures at the head of a run's report,
#: and the Brier score, by which calibrations are compared.
TOLD = ("log_loss", "brier", "auc", "accuracy", "recall", "precision", "expected_calibration_error")
#: Rows times resamples of one bootstrap, about a second; so the intervals of up to 4,000 rows are the report's.
_MOST_WEIGHTS = 8_000_000
#: An end of a 95 % interval is the fifth of so many.
_LEAST_REPLICATES = 200
#: Rows that are resampled at most: nobody who goes back to an earlier model should wait a minute for a million.
_MOST_ROWS = _MOST_WEIGHTS // _LEAST_REPLICATES


def own_figures(model: ModelFile, holdout: Holdout) -> OwnFigures | None:
    """The model as it is deployed, on its held-out rows; None where there are none of its schema.

    Of more than 40,000 rows the figures are those of all; the intervals are made of 40,000, and narrowed by the
    root of their share (the m out of n bootstrap: Bickel, Götze and van Zwet 1997, Statistica Sinica 7:1).
    """
    n = len(holdout.y)
    if not n or holdout.x.shape[1] != model.model.schema.width:
        return None
    said, threshold = probability(model.model, holdout.x), model.model.threshold
    evaluation = evaluate(holdout.y, said, threshold)
    intervals = None
    if np.isfinite(said).all():
        y, resampled = holdout.y, said
        if n > _MOST_ROWS:
            some = np.random.default_rng(0).choice(n, _MOST_ROWS, replace=False)
            y, resampled = y[some], said[some]
        intervals = evaluation_intervals(y, resampled, threshold, bootstrap=_bootstrap(len(y)))
    figures = []
    for name in TOLD:
        value, interval = getattr(evaluation, name), getattr(intervals, name, None)
        if value is not None and math.isfinite(value):
            low, high = (None, None) if interval is None else _ends(name, value, interval, n)
            figures.append(OwnFigure(name=name, value=value, low=low, high=high))
    return OwnFigures(rows=n, figures=tuple(figures))


def own_figures_of_run(miniflow: MiniFlow, run_id: str, model: ModelFile) -> OwnFigures | None:
    """The same of a run that this directory may have; None where it, or its holdout, is not here or not whole.

    What was told when the rule promoted the run is told again: its model does not change.
    """
    with suppress(UnknownRun):
        told = read_own_figures(miniflow.run(run_id).read_artifact(DECISION_ARTIFACT))
        if told is not None:
            return told
    holdout = own_holdout(miniflow, run_id)
    own = None if holdout is None else own_figures(model, holdout)
    if own is None:
        return None
    return msgspec.structs.replace(own, may_have_seen=run_may_have_seen(miniflow, run_id))


def _bootstrap(rows: int) -> Bootstrap:
    replicates = min(REPLICATES, max(_LEAST_REPLICATES, _MOST_WEIGHTS // rows))
    # a correction of the ends takes longer than so few resamples, and moves them less than chance does
    return Bootstrap(replicates=replicates, method="bca" if replicates == REPLICATES else "percentile")


def _ends(name: str, value: float, interval: Interval, rows: int) -> tuple[float, float]:
    """Ends of the interval of a figure of all ``rows``, from that of those that were resampled."""
    if rows <= _MOST_ROWS:
        return interval.low, interval.high
    narrower = math.sqrt(_MOST_ROWS / rows)
    above = interval.high - interval.estimate
    # that of a calibration error reaches as far both ways, but for what was cut off at zero
    below = above if name == "expected_calibration_error" else interval.estimate - interval.low
    most = math.inf if name == "log_loss" else 1.0
    return max(0.0, value - narrower * below), min(most, value + narrower * above)
