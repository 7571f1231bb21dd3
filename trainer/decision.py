"""From logits to decisions: calibrate a model and choose its operating point, on rows that it never saw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from core.calibration import CalibrationRequest
from core.errors import DataError
from core.model import LogisticModel
from core.model_file import ModelFile
from core.settings import Settings
from core.threshold_rule import EVEN, ThresholdRule
from trainer.calibration.choice import choose_calibration, not_calibrated
from trainer.calibration.report import CalibrationReport
from trainer.operating_point import (
    OperatingPoint,
    choose_operating_point,
    given_operating_point,
    kept_operating_point,
)
from trainer.out_of_sample import OutOfSample

#: What commands ask for where neither a setting nor production says otherwise.
DEFAULT_CALIBRATE: CalibrationRequest = "auto"


class Choices(msgspec.Struct, frozen=True):
    """What is asked of a model beyond its weights."""

    calibrate: CalibrationRequest = "none"
    threshold_rule: ThresholdRule = EVEN
    #: The threshold to keep where no threshold meets the rule; None: that is an error.
    otherwise: float | None = None

    @property
    def anything(self) -> bool:
        """Whether rows are needed to follow them."""
        return self.calibrate != "none" or self.threshold_rule.by != "fixed"


@dataclass(frozen=True, eq=False)
class Decision:
    """A model that decides, and why it does so."""

    model: LogisticModel
    calibration: CalibrationReport
    operating_point: OperatingPoint

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was asked for and could not be had: one sentence each."""
        point = self.operating_point
        return () if point.missed is None else (f"{point.missed}; the threshold {point.threshold:.3g} is kept.",)


def decide(model: LogisticModel, rows: OutOfSample | None, choices: Choices) -> Decision:
    """Give ``model`` the calibration and threshold asked for, by rows that it, or its like, never saw.

    The threshold is chosen on the probabilities of the calibration that is deployed. None for ``rows``: there are
    none, because a class has too few to be shared out in folds.

    Raises
    ------
    DataError
        A threshold rule that no threshold meets.
    """
    if rows is None:
        return _without_rows(model, choices)
    chosen = choose_calibration(rows, choices.calibrate)
    fitter = None if chosen.calibration is None else chosen.fitter
    point = choose_operating_point(rows, chosen.calibration, choices.threshold_rule, fitter, choices.otherwise)
    decided = replace(model, calibration=chosen.calibration, threshold=point.threshold)
    return Decision(decided, chosen.report, point)


def _without_rows(model: LogisticModel, choices: Choices) -> Decision:
    """As it is asked for, as far as that needs no rows."""
    rule = choices.threshold_rule
    if choices.calibrate == "none":
        reason = "No calibration was asked for."
    else:
        reason = "The model stays as it is: one class has too few training rows."
    report = not_calibrated(choices.calibrate, reason, 0).report
    if rule.by == "fixed":
        point = given_operating_point(rule)
    else:
        error = f"one class has too few training rows for a threshold by {rule.by}; add labelled rows of it"
        if choices.otherwise is None:
            raise DataError(error)
        point = kept_operating_point(rule, choices.otherwise, error)
    return Decision(replace(model, calibration=None, threshold=point.threshold), report, point)


def choices_of(settings: Settings, before: ModelFile | None) -> Choices:
    """What the settings ask for; where they say nothing, what the model ``before`` was made with.

    Its rule may be out of reach on the new rows, and then its threshold is kept; what a person asks for now is not
    set aside.
    """
    request, rule, otherwise = DEFAULT_CALIBRATE, EVEN, None
    if before is not None:
        request, rule, otherwise = before.calibrate, before.threshold_rule, before.model.threshold
    if settings.calibrate is not None:
        request = msgspec.convert(settings.calibrate, CalibrationRequest)
    asked = settings.threshold_rule
    return Choices(request, rule, otherwise) if asked is None else Choices(request, asked)
