"""From raw records to the columns that the detectors sum: whitened, clipped and recentred by the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.drift.whitener import fit_whitener
from core.model import Floats

#: Beyond this share the radius counts as no larger.
RADIUS_QUANTILE = 0.98
#: Standardised features count at most so many SD in a CUSUM.
FEATURE_CLIP = 3.0
#: A record counts at most so many training SD in sums that are reported.
LARGEST_Z = 1e6
#: Records whitened at once. Always so many, filled up with zeros: a matrix product of another shape may give other
#: last bits, and the same record must give the same whatever it was read with.
BLOCK_RECORDS = 64
#: Parts of the training rows of which each in turn is held out to learn how far an unseen row lies from the
#: centre.
FOLDS = 20
#: With more features than this a fit takes a second, and there are fewer parts.
_MANY_FEATURES, _FEW_FOLDS = 100, 5
#: Share of the rows that must lie at distances of their own for that.
_DISTINCT = 0.9


@dataclass(frozen=True, eq=False)
class Columns:
    """n records as the detectors see them: arrays (c, n), records along the second axis."""

    standardised: Floats  #: (v + 1, n) distances from the training mean in training SD: features, then probability
    whitened: Floats  #: (v, n) uncorrelated, of bounded norm, mean 0: what likelihood ratios sum
    feature: Floats  #: (v, n) one a feature: clipped, mean 0, SD 1
    adjusted: Floats  #: (v, n) one a feature: what moves when that feature alone shifts; mean 0, SD 1
    probability: Floats  #: (1, n) probability of class 1; mean 0, SD 1
    radius: Floats  #: (1, n) distance from the centre in whitened units, clipped; mean 0, SD 1

    @property
    def z(self) -> Floats:
        """(v, n) distances of the features from their training means in training SD."""
        return self.standardised[:-1]


@dataclass(frozen=True, eq=False)
class Transform:
    """What turns raw rows into :class:`Columns`; fitted to N training rows of v features that vary.

    ``adjusted`` are the regression-adjusted scores of Hawkins (1991, *Technometrics* 33:61-75) on clipped rows:
    likelihood ratios of a shift of one feature alone, for correlated features far larger than its own distance.
    """

    index: NDArray[np.int64]  #: (v,) columns of the raw rows that vary
    mean: Floats  #: (v,)
    standard_deviation: Floats  #: (v,)
    autocorrelation: Floats  #: (v + 1,) of lag 1, the probability last; 0 where there is none or no order
    innovation: Floats  #: (v + 1,) SD of z_t - r z_{t-1}; 1 where r is 0
    whitening: Floats  #: (v, v) symmetric
    clip: float  #: norm of a whitened row that is not exceeded
    centre: Floats  #: (v,) mean of the clipped rows
    adjusting: Floats  #: (v, v) from whitened to adjusted
    feature_mean: Floats  #: (v,) of the clipped standardised features
    feature_scale: Floats  #: (v,)
    probability_mean: float
    probability_factor: float  #: 1 / SD; 0: the model gave every training row the same probability
    radius_clip: float
    radius_mean: float
    radius_scale: float

    def columns(self, x: Floats, probability: Floats, previous: Floats | None = None) -> Columns:
        """Columns of rows ``x`` (n, d) and their probabilities (n,).

        ``previous`` is the (v + 1,) column of ``standardised`` of the record before the first one, None at the
        beginning.
        """
        standardised = self.standardised(x, probability)
        return self.from_innovations(standardised, self._innovations(standardised, previous))

    def from_innovations(self, standardised: Floats, e: Floats) -> Columns:
        """Columns of records whose innovations ``e`` (v + 1, n) are known, the probability's last."""
        n = e.shape[1]
        whitened = np.matmul(self.whitening, _blocks(e[:-1]))
        norm = np.sqrt(np.add.reduce(whitened * whitened, axis=1, keepdims=True))
        whitened *= self.clip / np.maximum(norm, self.clip)
        whitened -= self.centre[:, None]
        adjusted = np.matmul(self.adjusting, whitened)
        feature = np.clip(e[:-1], -FEATURE_CLIP, FEATURE_CLIP)
        feature -= self.feature_mean[:, None]
        feature /= self.feature_scale[:, None]
        radius = (np.minimum(norm, self.radius_clip) - self.radius_mean) / self.radius_scale
        return Columns(
            standardised,
            _columns(whitened, n),
            feature,
            _columns(adjusted, n),
            e[-1:],
            _columns(radius, n),
        )

    def standardised(self, x: Floats, probability: Floats) -> Floats:
        """(v + 1, n) distances of rows (n, d) and probabilities (n,) from their training means in training SD."""
        z = np.empty((len(self.index) + 1, len(x)))
        features = z[:-1]
        with np.errstate(over="ignore"):
            np.subtract(x.T[self.index], self.mean[:, None], out=features)
            features /= self.standard_deviation[:, None]
        z[-1] = (probability - self.probability_mean) * self.probability_factor
        return np.clip(z, -LARGEST_Z, LARGEST_Z, out=z)

    def _innovations(self, z: Floats, previous: Floats | None) -> Floats:
        """z_t - r z_{t-1} in its own SD; the very first record, which has none before it, as it is."""
        if not self.autocorrelation.any():
            return z
        before = np.empty_like(z)
        before[:, 1:] = z[:, :-1]
        before[:, 0] = 0.0 if previous is None else previous
        e: Floats = (z - self.autocorrelation[:, None] * before) / self.innovation[:, None]
        if previous is None and z.shape[1]:
            e[:, 0] = z[:, 0]
        return e


def _blocks(columns: Floats) -> Floats:
    """(blocks, c, BLOCK_RECORDS) of columns (c, n), the last one filled up with zeros."""
    c, n = columns.shape
    count = -(-n // BLOCK_RECORDS)
    padded = np.zeros((c, count * BLOCK_RECORDS))
    padded[:, :n] = columns
    return np.ascontiguousarray(padded.reshape(c, count, BLOCK_RECORDS).transpose(1, 0, 2))


def _columns(blocks: Floats, n: int) -> Floats:
    """(c, n) of blocks."""
    count, c, _ = blocks.shape
    columns: Floats = blocks.transpose(1, 0, 2).reshape(c, count * BLOCK_RECORDS)[:, :n]
    return columns


def fit_transform(
    x: Floats,
    probability: Floats,
    index: NDArray[np.int64],
    autocorrelation: Floats | None = None,
    preceding: NDArray[np.int64] | None = None,
    *,
    hold_out: bool = True,
) -> tuple[Transform, Floats]:
    """Fit to training rows ``x`` (N, d), of which columns ``index`` (v,) vary, and their probabilities (N,).

    Where the rows are autocorrelated, ``autocorrelation`` is (v + 1,), the probability last, and ``preceding``
    (N,) gives for each row the row before it in time, -1 where unknown: such rows tell nothing of innovations. The
    radius is told from rows held out, since those that shaped the scatter lie too near; without ``hold_out`` the
    caller corrects it. The second result is the (1, n) radius of each row that was used, held out where it was.
    """
    rows = x[:, index]
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    probability_factor = _factor(probability)
    standardised = np.column_stack(
        [(rows - mean) / deviation, (probability - probability.mean()) * probability_factor]
    )
    z = np.clip(standardised, -LARGEST_Z, LARGEST_Z)
    r = np.zeros(len(index) + 1) if autocorrelation is None else autocorrelation
    innovation = np.ones(len(r))
    if r.any() and preceding is not None:
        known = preceding >= 0
        z = z[known] - r * z[preceding[known]]
        innovation = np.where((r != 0) & (z.std(axis=0) > 0), z.std(axis=0), 1.0)
    e = (z / innovation)[:, :-1]
    whitener = fit_whitener(e)
    whitened, norm = whitener.whitened(e)
    scores = whitened @ whitener.matrix
    scale = scores.std(axis=0)
    feature = np.clip(e, -FEATURE_CLIP, FEATURE_CLIP)
    feature_scale = feature.std(axis=0)
    # rows of few integers are alike, and must stay at the equal distances that the stream's rows will have
    if hold_out and len(e) >= 2 * FOLDS and len(np.unique(norm)) > _DISTINCT * len(norm):
        norm = _held_out_norm(e)
    radius_clip = float(np.quantile(norm, RADIUS_QUANTILE))
    radius = np.minimum(norm, radius_clip)
    radius_scale = float(radius.std())
    radius_scale = radius_scale if radius_scale > 0 else 1.0
    transform = Transform(
        index=index,
        mean=mean,
        standard_deviation=deviation,
        autocorrelation=r,
        innovation=innovation,
        whitening=whitener.matrix,
        clip=whitener.clip,
        centre=whitener.centre,
        adjusting=np.ascontiguousarray(whitener.matrix / np.where(scale > 0, scale, 1.0)[:, None]),
        feature_mean=feature.mean(axis=0),
        feature_scale=np.where(feature_scale > 0, feature_scale, 1.0),
        probability_mean=float(probability.mean()),
        probability_factor=probability_factor,
        radius_clip=radius_clip,
        radius_mean=float(radius.mean()),
        radius_scale=radius_scale,
    )
    return transform, (radius[None] - radius.mean()) / radius_scale


def _factor(probability: Floats) -> float:
    """1 / SD of probabilities; 0 where what there is of it is rounding."""
    deviation = float(probability.std())
    return 1.0 / deviation if deviation > 1e-9 else 0.0


def _held_out_norm(e: Floats) -> Floats:
    """(N,) norm of each row, whitened by what the other parts of the rows (N, v) say."""
    folds = FOLDS if e.shape[1] <= _MANY_FEATURES else _FEW_FOLDS
    part = np.arange(len(e)) % folds
    norm = np.empty(len(e))
    for fold in range(folds):
        norm[part == fold] = fit_whitener(e[part != fold]).whitened(e[part == fold])[1]
    return norm
