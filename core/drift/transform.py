"""From raw records to the columns that the detectors sum: whitened, clipped and recentred by the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.drift.whitener import fit_whitener
from core.model import Floats
from core.profile import CONSTANT_TOLERANCE

#: Beyond this share the radius counts as no larger.
RADIUS_QUANTILE = 0.98
#: Standardised values count at most so many SD in a CUSUM ...
FEATURE_CLIP = 3.0
#: ... and so many of the SD that is left then: of a column that is 1 in one row of 720, or of a probability that
#: is nearly always small, hardly any is left, and a single record would reach every threshold.
LARGEST_SCORE = 4.0
#: A record counts at most so many training SD in the means that are reported, and in the score: a mean of Cauchy
#: values has no law, one of values within 10 SD is near normal over a window. What moves further shows as so far.
LARGEST_Z = 10.0
#: Records whitened at once. Always so many, filled up with zeros: a matrix product of another shape may give other
#: last bits, and the same record must give the same whatever it was read with.
BLOCK_RECORDS = 64
#: Parts of the training rows of which each in turn is held out to learn how far an unseen row lies from the
#: centre; of fewer than twice as many rows each is held out by itself.
FOLDS = 20
#: With fewer rows a feature the scatter fits the rows so closely that distances say nothing of unseen ones, even
#: held out: of 60 rows with 50 features 4 of 6 references broke the budget by it. The radius is not watched then.
LEAST_ROWS_A_FEATURE = 2
#: With more features than this a fit takes a second, and there are fewer parts.
_MANY_FEATURES, _FEW_FOLDS = 100, 5
#: Share of the rows that must lie at distances of their own for that.
_DISTINCT = 0.9
#: Probabilities that differ by less are one probability and rounding.
CONSTANT_PROBABILITY = 1e-9


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
    adjusted_centre: Floats  #: (v,) mean of the adjusted scores, once they are clipped
    feature_low: Floats  #: (v + 1,) innovations count no lower than this, the probability last ...
    feature_high: Floats  #: (v + 1,) ... and no higher
    feature_mean: Floats  #: (v + 1,) of what is left
    feature_scale: Floats  #: (v + 1,) SD of innovations clipped at ``FEATURE_CLIP``
    probability_mean: float
    probability_factor: float  #: 1 / SD; 0: the model gave every training row the same probability
    radius_clip: float  #: 0: too few rows a feature, the radius is 0 for every record
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
        np.clip(adjusted, -LARGEST_SCORE, LARGEST_SCORE, out=adjusted)
        adjusted -= self.adjusted_centre[:, None]
        scores = np.clip(e, self.feature_low[:, None], self.feature_high[:, None])
        scores -= self.feature_mean[:, None]
        scores /= self.feature_scale[:, None]
        radius = (np.minimum(norm, self.radius_clip) - self.radius_mean) / self.radius_scale
        return Columns(
            standardised,
            _columns(whitened, n),
            scores[:-1],
            _columns(adjusted, n),
            scores[-1:],
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

    def standardised_values(self, values: Floats) -> Floats:
        """:meth:`standardised` of (n, v + 1) features that vary and probabilities."""
        mean = np.append(self.mean, self.probability_mean)
        factor = np.append(1.0 / self.standard_deviation, self.probability_factor)
        with np.errstate(over="ignore"):
            z: Floats = np.ascontiguousarray(((values - mean) * factor).T)
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
    before: Floats | None = None,
    *,
    hold_out: bool = True,
) -> tuple[Transform, Floats]:
    """Fit to training rows ``x`` (N, d), of which columns ``index`` (v,) vary, and their probabilities (N,).

    Where the rows are autocorrelated, ``autocorrelation`` is (v + 1,), the probability last, and ``before``
    (N, v + 1) the record before each row in time, nan where unknown: such rows tell nothing of innovations. The
    radius is told from rows held out, since those that shaped the scatter lie too near; without ``hold_out`` the
    caller corrects it. The second result is the (1, n) radius of each row that was used, held out where it was.
    """
    values = np.column_stack([x[:, index], probability])
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    factor = _factors(mean, deviation)
    z = np.clip((values - mean) * factor, -LARGEST_Z, LARGEST_Z)
    r = np.zeros(len(mean)) if autocorrelation is None else autocorrelation
    innovation = np.ones(len(r))
    if r.any() and before is not None:
        known = ~np.isnan(before).any(axis=1)
        z = z[known] - r * np.clip((before[known] - mean) * factor, -LARGEST_Z, LARGEST_Z)
        innovation = np.where((r != 0) & (z.std(axis=0) > 0), z.std(axis=0), 1.0)
    e = z / innovation
    whitener = fit_whitener(e[:, :-1])
    whitened, norm = whitener.whitened(e[:, :-1])
    scores = whitened @ whitener.matrix
    scale = scores.std(axis=0)
    adjusting = np.ascontiguousarray(whitener.matrix / np.where(scale > 0, scale, 1.0)[:, None])
    radius, (radius_clip, radius_mean, radius_scale) = _radius(e[:, :-1], norm, hold_out=hold_out)
    feature_low, feature_high, feature_scale = _score_bounds(e)
    transform = Transform(
        index=index,
        mean=mean[:-1],
        standard_deviation=1.0 / factor[:-1],
        autocorrelation=r,
        innovation=innovation,
        whitening=whitener.matrix,
        clip=whitener.clip,
        centre=whitener.centre,
        adjusting=adjusting,
        adjusted_centre=np.clip(whitened @ adjusting.T, -LARGEST_SCORE, LARGEST_SCORE).mean(axis=0),
        feature_low=feature_low,
        feature_high=feature_high,
        feature_mean=np.clip(e, feature_low, feature_high).mean(axis=0),
        feature_scale=feature_scale,
        probability_mean=float(mean[-1]),
        probability_factor=float(factor[-1]),
        radius_clip=radius_clip,
        radius_mean=radius_mean,
        radius_scale=radius_scale,
    )
    return transform, radius


def _factors(mean: Floats, deviation: Floats) -> Floats:
    """(v + 1,) 1 / SD; of features of which a draw has no more than rounding 1, of such a probability 0."""
    varies = deviation > np.append(CONSTANT_TOLERANCE * np.abs(mean[:-1]), CONSTANT_PROBABILITY)
    factor: Floats = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 1.0)
    if not varies[-1]:
        factor[-1] = 0.0
    return factor


def _score_bounds(e: Floats) -> tuple[Floats, Floats, Floats]:
    """(v + 1,) bounds of innovations (n, v + 1), and the SD in whose units they are taken."""
    clipped = np.clip(e, -FEATURE_CLIP, FEATURE_CLIP)
    mean, scale = clipped.mean(axis=0), clipped.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    reach = LARGEST_SCORE * scale
    return np.maximum(-FEATURE_CLIP, mean - reach), np.minimum(FEATURE_CLIP, mean + reach), scale


def _radius(e: Floats, norm: Floats, *, hold_out: bool) -> tuple[Floats, tuple[float, float, float]]:
    """(1, n) radius of rows (n, v) whose whitened norm is known, and its clip, mean and scale."""
    n, v = e.shape
    if n < LEAST_ROWS_A_FEATURE * v:
        return np.zeros((1, n)), (0.0, 0.0, 1.0)
    # rows of few integers are alike, and must stay at the equal distances that the stream's rows will have
    if hold_out and len(np.unique(norm)) > _DISTINCT * len(norm):
        norm = _held_out_norm(e)
    clip = float(np.quantile(norm, RADIUS_QUANTILE))
    clipped = np.minimum(norm, clip)
    mean, scale = float(clipped.mean()), float(clipped.std())
    scale = scale if scale > 0 else 1.0
    return (clipped[None] - mean) / scale, (clip, mean, scale)


def _held_out_norm(e: Floats) -> Floats:
    """(N,) norm of each row, whitened by what the other parts of the rows (N, v) say."""
    folds = FOLDS if e.shape[1] <= _MANY_FEATURES else _FEW_FOLDS
    if len(e) < 2 * FOLDS:
        folds = len(e)
    part = np.arange(len(e)) % folds
    norm = np.empty(len(e))
    for fold in range(folds):
        norm[part == fold] = fit_whitener(e[part != fold]).whitened(e[part == fold])[1]
    return norm
