"""Which calibration a model gets: none, temperature, platt or isotonic, by cross-validated log-loss.

The rows are such as the model was not trained on (:mod:`trainer.out_of_sample`), and not those that judge it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.calibration import Calibration, CalibrationRequest
from core.errors import DataError
from core.model import Floats
from trainer.calibration.folds import Fitter, cross_fitted
from trainer.calibration.isotonic import fit_isotonic
from trainer.calibration.platt import fit_platt
from trainer.calibration.report import CalibrationFigures, CalibrationOption, CalibrationReport
from trainer.calibration.temperature import fit_temperature
from trainer.loss import row_losses
from trainer.metrics.probability import brier_score
from trainer.metrics.reliability import calibration_error_floor, expected_calibration_error
from trainer.metrics.weighting import row_weights, standard_error
from trainer.out_of_sample import OutOfSample
from trainer.table import Labels

#: With fewer rows of a class a calibration says more of these rows than of the model: two a fold.
LEAST_CLASS_ROWS = 10
#: Fewer rows overfit a staircase (Niculescu-Mizil and Caruana 2005, ICML 625, figure 7).
LEAST_ISOTONIC_ROWS = 1_000
#: The simplest first.
FITTERS: dict[CalibrationOption, Fitter] = {
    "none": lambda _logit, _y, _weights: None,
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}


@dataclass(frozen=True, eq=False)
class CalibrationChoice:
    """A calibration, and why it is that one."""

    calibration: Calibration | None
    report: CalibrationReport

    @property
    def fitter(self) -> Fitter:
        """What fits its kind to other rows."""
        return FITTERS[self.report.chosen]


def choose_calibration(rows: OutOfSample, request: CalibrationRequest = "auto") -> CalibrationChoice:
    """Calibrate on rows that the model was not trained on.

    ``auto`` takes the kind of least cross-validated log-loss, or the simplest whose loss is within one standard
    error of that: the error of the difference, row by row, because what is hard about a row is hard for all kinds
    (after the rule of Breiman et al. 1984, *Classification and Regression Trees*, section 3.4.3). Another request
    is followed; where the rows do not permit it the model stays as it is, and the report says why.

    Raises
    ------
    DataError
        No rows, or weights that are none.
    """
    w = row_weights(len(rows.logit), rows.weights)
    if request == "none":
        return not_calibrated(request, "No calibration was asked for.", len(rows.y))
    kinds, too_few = _eligible(rows.y, request)
    compared = _compare(rows, kinds, w)
    compared.left_out.update(too_few)
    chosen, reason = _chosen(compared, request, len(rows.y))
    return CalibrationChoice(compared.calibrations[chosen], _report(request, chosen, reason, compared, w, rows))


def not_calibrated(request: CalibrationRequest, reason: str, rows: int) -> CalibrationChoice:
    """The model as it is, where there is nothing to compare."""
    return CalibrationChoice(None, CalibrationReport(request, "none", reason, rows, 0))


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Each kind that could be fitted, the simplest first: fitted to all rows, and to all but each fold."""

    calibrations: dict[CalibrationOption, Calibration | None]
    probability: dict[CalibrationOption, Floats]  #: (n,) of each row by the fit to the other folds
    figures: dict[CalibrationOption, CalibrationFigures]
    left_out: dict[str, str]


def _eligible(y: Labels, request: CalibrationRequest) -> tuple[tuple[CalibrationOption, ...], dict[str, str]]:
    """Kinds that so many rows can judge, and why not the others; who asks for isotonic gets it with fewer."""
    asked = tuple(kind for kind in FITTERS if kind != "none" and request in {"auto", kind})
    fewest = min(int((y == 0).sum()), int((y == 1).sum()))
    if fewest < LEAST_CLASS_ROWS:
        words = f"one class has {fewest} rows, fewer than {LEAST_CLASS_ROWS}"
        return ("none",), dict.fromkeys(asked, words)
    if request == "auto" and len(y) < LEAST_ISOTONIC_ROWS:
        words = f"{len(y)} rows are fewer than {LEAST_ISOTONIC_ROWS}"
        return ("none", "temperature", "platt"), {"isotonic": words}
    return ("none", *asked), {}


def _compare(rows: OutOfSample, kinds: tuple[CalibrationOption, ...], w: Floats) -> _Comparison:
    y = rows.y
    fitted: dict[CalibrationOption, Calibration | None] = {}
    found: dict[CalibrationOption, Floats] = {}
    left_out: dict[str, str] = {}
    for kind in kinds:
        try:
            whole = FITTERS[kind](rows.logit, y, w)
            found[kind] = cross_fitted(FITTERS[kind], rows.logit, y, w, rows.folds)
            fitted[kind] = whole
        except DataError as error:
            left_out[kind] = str(error)
    losses = {kind: row_losses(y, probability) for kind, probability in found.items()}
    means = {kind: float(np.average(loss, weights=w)) for kind, loss in losses.items()}
    best = min(means, key=lambda kind: means[kind])
    figures = {
        kind: CalibrationFigures(
            kind=kind,
            log_loss=means[kind],
            brier=brier_score(y, probability, w),
            expected_calibration_error=expected_calibration_error(y, probability, weights=w),
            difference=means[kind] - means[best],
            standard_error=standard_error(losses[kind] - losses[best], w),
        )
        for kind, probability in found.items()
    }
    return _Comparison(fitted, found, figures, left_out)


def _chosen(compared: _Comparison, request: CalibrationRequest, rows: int) -> tuple[CalibrationOption, str]:
    """The kind, and a sentence that says why."""
    where = f"cross-validated on {rows} rows"
    if request not in {"auto", "none"}:
        if request in compared.figures:
            asked, plain = compared.figures[request].log_loss, compared.figures["none"].log_loss
            return request, (
                f"{_NAMES[request]} was asked for: log-loss {asked:.4f} {where}, and {plain:.4f} without it."
            )
        return (
            "none",
            f"{_NAMES[request]} was asked for, but {compared.left_out[request]}; the model stays as it is.",
        )
    if len(compared.figures) == 1:
        return "none", f"The model stays as it is: {', '.join(sorted(set(compared.left_out.values())))}."
    best = min(compared.figures.values(), key=lambda figures: figures.log_loss)
    within = next(each for each in compared.figures.values() if each.difference <= each.standard_error)
    if within.kind == best.kind:
        return within.kind, f"{_NAMES[within.kind]} has the least log-loss, {within.log_loss:.4f} {where}."
    return within.kind, (
        f"{_NAMES[within.kind]} is the simplest within one standard error ({within.standard_error:.4f}) of the "
        f"best, {best.kind}: log-loss {within.log_loss:.4f} against {best.log_loss:.4f} {where}."
    )


_NAMES: dict[str, str] = {
    "none": "The uncalibrated model",
    "temperature": "Temperature scaling",
    "platt": "Platt scaling",
    "isotonic": "Isotonic calibration",
}


def _report(
    request: CalibrationRequest,
    chosen: CalibrationOption,
    reason: str,
    compared: _Comparison,
    w: Floats,
    rows: OutOfSample,
) -> CalibrationReport:
    calibration = compared.calibrations[chosen]
    linear = calibration is not None and calibration.kind != "isotonic"
    slope, offset = calibration.values.tolist() if calibration is not None and linear else (None, None)
    knots = None if calibration is None or linear else calibration.values.shape[1]
    return CalibrationReport(
        asked=request,
        chosen=chosen,
        reason=reason,
        rows=len(rows.y),
        folds=len(np.unique(rows.folds)),
        figures=tuple(compared.figures.values()),
        left_out=compared.left_out,
        calibration_error_floor=calibration_error_floor(compared.probability[chosen], weights=w),
        slope=slope,
        offset=offset,
        knots=knots,
    )
