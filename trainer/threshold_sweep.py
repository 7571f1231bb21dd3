"""What thresholds make of a run's held-out rows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.calibration import CalibrationKind
from core.errors import DataError
from core.model_file import ModelFile
from core.threshold_rule import ThresholdRule
from trainer.calibration.choice import FITTERS
from trainer.fit import probability
from trainer.holdout import Holdout
from trainer.operating_point import (
    SWEEP,
    OperatingPoint,
    ThresholdFigures,
    choose_operating_point,
    neutral_threshold,
    sweep,
)
from trainer.out_of_sample import OutOfSample


class ThresholdSweep(msgspec.Struct, frozen=True):
    """A run's holdout at several thresholds."""

    run_id: str
    rows: int
    class1_rows: int
    calibration: CalibrationKind | None  #: of the model
    threshold: float  #: the model's own
    thresholds: tuple[ThresholdFigures, ...]  #: ascending; those asked for, the model's own, neutral and best one
    neutral: float | None  #: by a rule of cost: the best one where probabilities are true
    best: OperatingPoint | None  #: by the rule asked for, of the rows that it was chosen on
    held_out: bool  #: whether these are the held-out rows themselves, which then flatter the best one


def sweep_holdout(
    run_id: str,
    file: ModelFile,
    holdout: Holdout,
    rows: OutOfSample | None,
    at: Sequence[float] | None,
    rule: ThresholdRule | None,
) -> ThresholdSweep:
    """Figures of a run on its own holdout (at least one row), and the best threshold by ``rule``.

    The best one is chosen on ``rows``, as a fit chooses it, so that the holdout judges it; without them on the
    holdout. Costs of ``rule``, else of the model's own rule, are in the figures.

    Raises
    ------
    DataError
        No threshold meets the rule.
    """
    y, model = holdout.y, file.model
    wanted = None if rule is None or rule.by == "fixed" else rule
    best = None if wanted is None else best_operating_point(file, holdout, rows, wanted)
    counted = wanted or file.threshold_rule
    neutral = neutral_threshold(counted) if counted.by == "cost" else None
    shown = {model.threshold, *(SWEEP if at is None else at)}
    shown |= {
        threshold for threshold in (neutral, None if best is None else best.threshold) if threshold is not None
    }
    return ThresholdSweep(
        run_id,
        len(y),
        int((y == 1).sum()),
        None if model.calibration is None else model.calibration.kind,
        model.threshold,
        sweep(y, probability(model, holdout.x), sorted(shown), counted),
        neutral,
        best,
        rows is None,
    )


def best_operating_point(
    file: ModelFile, holdout: Holdout | None, rows: OutOfSample | None, rule: ThresholdRule
) -> OperatingPoint:
    """The best one by ``rule`` on ``rows``, as a fit chooses it; without them on the holdout.

    Raises
    ------
    DataError
        No threshold meets the rule, or there are no rows.
    """
    calibration = file.model.calibration
    if rows is not None:
        fitter = None if calibration is None else FITTERS[calibration.kind]
        return choose_operating_point(rows, calibration, rule, fitter)
    if holdout is None:
        raise DataError("there are no rows to choose a threshold on; fit the model again")
    held_out = OutOfSample.of(file.model.score(holdout.x).logit, holdout.y, file.profile.seed)
    return choose_operating_point(held_out, calibration, rule)
