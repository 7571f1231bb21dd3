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
    seed: int,
    blocks: int | None = None,
) -> DriftReference:
    """Calibrate the detectors to training rows ``x`` (N, d) with classes ``y`` (N,).

    Parameters
    ----------
    order
        (N,) ascending numbers of the rows in their original order, of which some may be missing; None where their
        order means nothing: they count as independent then, and as of one kind.
    blocks
        Blocks of simulation, see :func:`core.drift.calibration.calibrate`.

    Raises
    ------
    ReferenceDrifts
        Rows that change in their own course.
    """
    rows = ReferenceRows(x, model.score(x).probability, np.flatnonzero(profile.varies))
    if order is not None:
        rows = _in_order(rows, y, order)
        _check_homogeneity(rows, profile, y, order)
    return fit_reference(rows, seed, blocks=blocks)


def _in_order(rows: ReferenceRows, y: Labels, order: Rows) -> ReferenceRows:
    """The rows with what their order says of their dependence; rows stored by class are in no order of time."""
    if is_grouped_by_class(y):
        return rows
    watched = np.column_stack([rows.x[:, rows.index], rows.probability])
    found = estimate_autocorrelation(watched, order.astype(np.int64), y)
    if not found.autocorrelated:
        return rows
    number = np.arange(len(order), dtype=np.int64)
    preceding: NDArray[np.int64] = np.where(np.diff(order, prepend=order[0]) == 1, number - 1, -1)
    return ReferenceRows(rows.x, rows.probability, rows.index, found.coefficients, preceding)


def _check_homogeneity(rows: ReferenceRows, profile: TrainingProfile, y: Labels, order: Rows) -> None:
    transform, _ = rows.fit(hold_out=False)
    used = np.arange(len(order))
    if rows.dependent and rows.preceding is not None:
        used = np.flatnonzero(rows.preceding >= 0)
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
        "before; give rows of one kind, or say --unordered where their order means nothing",
        order[used[found.before]].tolist(),
        order[used[found.after]].tolist(),
    )
