"""The drift reference of a model: what its training rows say about records that have not drifted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.drift.autocorrelation import estimate_autocorrelation
from core.drift.homogeneity import examine_homogeneity, is_grouped_by_class
from core.drift.reference import DriftReference, fit_reference
from core.drift.reference_rows import ReferenceRows
from core.errors import ReferenceDrifts
from core.model import Floats, LogisticModel
from core.profile import TrainingProfile
from trainer.split import Rows
from trainer.table import Labels

#: A smaller change, in training SD, is no reason to refuse rows, however sure many rows make of it.
LEAST_SHIFT = 0.1


def drift_reference(
    model: LogisticModel,
    profile: TrainingProfile,
    x: Floats,
    y: Labels,
    order: Rows | None,
    before: Floats | None,
    seed: int,
    blocks: int | None = None,
) -> DriftReference:
    """Calibrate the detectors to training rows ``x`` (N, d) with classes ``y`` (N,).

    How far rows depend on each other is told by each row and the record before it in time, whatever that one is:
    held out, or without a label. The rows in their own order are no neighbours where other records came between.

    Parameters
    ----------
    order
        (N,) ascending numbers of the rows in their original order, of which some may be missing; None where their
        order means nothing: they count as independent then, and as of one kind.
    before
        (N, d) the record just before each row, nan where it is not known; None where no order is. See
        :func:`rows_before`.
    blocks
        Blocks of simulation, see :func:`core.drift.calibration.calibrate`.

    Raises
    ------
    ReferenceDrifts
        Rows that change in their own course.
    """
    rows = ReferenceRows(x, model.score(x).uncalibrated, np.flatnonzero(profile.varies))
    if order is not None:
        rows = _in_order(rows, model, y, before)
        _check_homogeneity(rows, profile, y, order)
    return fit_reference(rows, seed, blocks=blocks)


def rows_before(x: Floats, rows: Rows) -> Floats:
    """(n, d) the row just before each of ``rows`` (n,) among all rows ``x`` (N, d); nan for the very first."""
    before: Floats = x[rows - 1].astype(np.float64)
    before[rows == 0] = np.nan
    return before


def watched_before(model: LogisticModel, index: NDArray[np.int64], before: Floats) -> Floats:
    """(n, v + 1) what is watched of raw records ``before`` (n, d), as :class:`ReferenceRows` wants it."""
    watched = np.full((len(before), len(index) + 1), np.nan)
    known = ~np.isnan(before).any(axis=1)
    watched[known, :-1] = before[known][:, index]
    watched[known, -1] = model.score(before[known]).uncalibrated
    return watched


def _in_order(rows: ReferenceRows, model: LogisticModel, y: Labels, before: Floats | None) -> ReferenceRows:
    """The rows with what is known of their dependence; rows stored by class are in no order of time."""
    if before is None or is_grouped_by_class(y):
        return rows
    watched = watched_before(model, rows.index, before)
    found = estimate_autocorrelation(rows.values, watched)
    if not found.autocorrelated:
        return rows
    return ReferenceRows(rows.x, rows.probability, rows.index, found.coefficients, watched)


def _check_homogeneity(rows: ReferenceRows, profile: TrainingProfile, y: Labels, order: Rows) -> None:
    transform, _ = rows.fit(hold_out=False)
    used = np.flatnonzero(rows.known) if rows.dependent else np.arange(len(order))
    columns = rows.columns(transform)
    found = examine_homogeneity(columns.whitened, y[used])
    if not found.drifts:
        return
    moved = max(np.abs(found.shifts(columns.z)).max(), np.abs(found.shifts(columns.adjusted)).max())
    if moved < LEAST_SHIFT:
        return
    names = [profile.features[index] for index in rows.index]
    shift = found.largest_shifts(columns.z, names, most=1)[0]
    raise ReferenceDrifts(
        f"the training rows drift themselves: from row {order[used[found.split]] + 1} on {shift.feature} is "
        f"{abs(shift.deviations):.2f} standard deviations {'higher' if shift.deviations > 0 else 'lower'} than "
        "before",
        "give rows of one kind, or say --unordered where their order means nothing",
        order[used[found.before]].tolist(),
        order[used[found.after]].tolist(),
    )
