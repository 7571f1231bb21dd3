"""All that the training rows say about drift, frozen at training time: what the monitor judges by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.drift.bins import BINS, Bins, fit_bins
from core.drift.calibration import calibrate
from core.drift.reference_rows import ReferenceRows
from core.drift.thresholds import CHANNELS, Thresholds
from core.drift.transform import Transform
from core.model import Floats

_SCALARS = ("clip", "probability_mean", "probability_factor", "radius_clip", "radius_mean", "radius_scale")
#: (v,)
_VECTORS = ("mean", "standard_deviation", "centre", "adjusted_centre")
#: (v + 1,)
_LONGER = ("autocorrelation", "innovation", "feature_low", "feature_high", "feature_mean", "feature_scale")
#: (v, v)
_MATRICES = ("whitening", "adjusting")
#: Names of the arrays in a model file.
ARRAYS = (
    "drift_index",
    "drift_scalars",
    *(f"drift_{name}" for name in (*_VECTORS, *_LONGER, *_MATRICES)),
    "drift_thresholds",
    "drift_edges",
    "drift_shares",
    "drift_binned_rows",
    "drift_run_lengths",
)


@dataclass(frozen=True, eq=False)
class DriftReference:
    """The reference of one model."""

    rows: int  #: N, training rows
    transform: Transform
    thresholds: Thresholds
    bins: Bins  #: of the columns feature (v), probability, radius: v + 2 in this order
    run_lengths: Floats  #: (B,) of the pseudo-references at the calibration's upper anchor: how references differ
    seed: int
    known_truth: bool = False  #: the training rows were taken for the truth: for tests, where it is known

    @property
    def pseudo_references(self) -> int:
        """B; 1 where the truth was known."""
        return len(self.run_lengths)

    @property
    def dependence(self) -> float:
        """(1 + r) / (1 - r) of the most autocorrelated feature: by how much the variance of a mean exceeds v."""
        r = float(max(0.0, self.transform.autocorrelation[:-1].max(initial=0.0)))
        return (1.0 + r) / (1.0 - r)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Everything but counts and flags, by :data:`ARRAYS`."""
        transform = self.transform
        values: list[Floats] = [
            transform.index.astype(np.float64),
            np.array([getattr(transform, name) for name in _SCALARS]),
            *(getattr(transform, name) for name in (*_VECTORS, *_LONGER, *_MATRICES)),
            np.array([self.thresholds.intercept, self.thresholds.slope]),
            self.bins.edges,
            self.bins.shares,
            np.array([float(self.bins.rows)]),
            self.run_lengths,
        ]
        return dict(zip(ARRAYS, values, strict=True))


def fit_reference(
    rows: ReferenceRows, seed: int, *, known_truth: bool = False, blocks: int | None = None
) -> DriftReference:
    """Calibrate to training rows, see :func:`core.drift.calibration.calibrate`; equal arguments, equal results."""
    calibration = calibrate(rows, seed, known_truth=known_truth, blocks=blocks)
    columns = rows.columns(calibration.transform)
    # a stream drawn from the rows themselves has their own radii, any other one those of unseen rows
    radius = columns.radius if known_truth else calibration.radius
    binned = np.concatenate([columns.feature, columns.probability, radius])
    return DriftReference(
        len(rows.x),
        calibration.transform,
        calibration.thresholds,
        fit_bins(binned),
        calibration.run_lengths,
        seed,
        known_truth,
    )


def read_reference(
    arrays: Mapping[str, NDArray[np.float64]], rows: int, seed: int, features: int, *, known_truth: bool = False
) -> DriftReference:
    """The reference of a model file with so many features.

    Raises
    ------
    ValueError
        Arrays that do not fit each other, or hold what no calibration writes.
    """
    index = arrays["drift_index"]
    v = len(index)
    if rows < 1:
        raise ValueError(f"it is of {rows} rows")
    _check_shapes(arrays, v)
    whole = index == np.rint(index)
    rising = (np.diff(index) > 0).all()
    if not v or not whole.all() or not rising or not (index >= 0).all() or not (index < features).all():
        raise ValueError("the columns that vary are not columns of the model")
    scales = ("standard_deviation", "innovation", "feature_scale")
    if any((arrays[f"drift_{name}"] <= 0).any() for name in scales) or (arrays["drift_shares"] < 0).any():
        raise ValueError("a scale or a share is not positive")
    # of dependent rows only those count whose predecessor is known
    binned_rows = int(arrays["drift_binned_rows"][0])
    if not 1 <= binned_rows <= rows:
        raise ValueError(f"{binned_rows} of {rows} rows are in its bins")
    named = {name: arrays[f"drift_{name}"] for name in (*_VECTORS, *_LONGER, *_MATRICES)}
    clip, probability_mean, probability_factor, radius_clip, radius_mean, radius_scale = arrays["drift_scalars"]
    if clip <= 0 or radius_scale <= 0:
        raise ValueError("a clip or a scale is not positive")
    return DriftReference(
        rows,
        Transform(
            index=index.astype(np.int64),
            clip=float(clip),
            probability_mean=float(probability_mean),
            probability_factor=float(probability_factor),
            radius_clip=float(radius_clip),
            radius_mean=float(radius_mean),
            radius_scale=float(radius_scale),
            **named,
        ),
        Thresholds(arrays["drift_thresholds"][0], arrays["drift_thresholds"][1]),
        Bins(arrays["drift_edges"], arrays["drift_shares"], binned_rows),
        arrays["drift_run_lengths"],
        seed,
        known_truth,
    )


def _check_shapes(arrays: Mapping[str, NDArray[np.float64]], v: int) -> None:
    """Raise ValueError where an array is not of the shape that v columns ask for, or not finite."""
    shapes = {
        "drift_index": (v,),
        "drift_scalars": (len(_SCALARS),),
        **{f"drift_{name}": (v,) for name in _VECTORS},
        **{f"drift_{name}": (v + 1,) for name in _LONGER},
        **{f"drift_{name}": (v, v) for name in _MATRICES},
        "drift_thresholds": (2, len(CHANNELS)),
        "drift_edges": (v + 2, BINS - 1),
        "drift_shares": (v + 2, BINS),
        "drift_binned_rows": (1,),
        "drift_run_lengths": (len(arrays["drift_run_lengths"]),),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
        # edges behind the last one are infinite
        if np.isnan(arrays[name]).any() or (name != "drift_edges" and not np.isfinite(arrays[name]).all()):
            raise ValueError(f"{name} holds values that are not finite")
