"""What was found about each kind of calibration, for the card, the report and a person to read."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.calibration import CalibrationKind, CalibrationRequest

#: A calibration, or the model's own probabilities.
CalibrationOption = Literal["none"] | CalibrationKind


class CalibrationFigures(msgspec.Struct, frozen=True):
    """How one kind does on rows that the model never saw, each judged by a fit to the other folds."""

    kind: CalibrationOption
    log_loss: float
    brier: float
    expected_calibration_error: float  #: ten bins of equal width
    difference: float  #: of its mean log-loss to the least among all kinds; never below zero
    standard_error: float  #: of the difference, row by row; zero for the best itself


class CalibrationReport(msgspec.Struct, frozen=True):
    """Which calibration a model has, and why."""

    asked: CalibrationRequest
    chosen: CalibrationOption
    reason: str  #: one sentence
    rows: int  #: that it was fitted to
    folds: int  #: 0: nothing was compared
    figures: tuple[CalibrationFigures, ...] = ()  #: the simplest first
    left_out: dict[str, str] = {}  #: kinds that were not compared, and why not
    #: What a perfect model with these probabilities has on as many rows by chance; None: nothing was compared.
    calibration_error_floor: float | None = None
    slope: float | None = None  #: platt, temperature: of the logit
    offset: float | None = None  #: platt, temperature
    knots: int | None = None  #: isotonic
