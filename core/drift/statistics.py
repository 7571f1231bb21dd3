"""The sequential statistics, as pure functions over columns: the trainer calibrates them, the monitor watches
them.

Columns are (c, n) arrays, one row a column of the data, records along the second axis. Sums are taken in whole
numbers of ticks and are exact, so that the results do not depend, to the bit, on how the records were split or
where sums began. (It is quicker too: running sums of floats wait for each addition, those of integers do not.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.model import Floats

#: Records that the likelihood-ratio statistic looks back, one scale each: shifts from large to small are seen best
#: over a few records to many. A factor near 1.5 between scales loses 1 % of delay against all of them.
SCALES = (3, 5, 8, 12, 20, 30, 50, 80, 120, 200)
#: Half the shift, in standard deviations, at which a CUSUM is quickest (Page 1954; Moustakides 1986).
REFERENCE_VALUE = 0.25
#: What is summed is rounded to multiples of a millionth of a standard deviation. Sums are exact below 8.6e9.
TICK = 2.0**-20
_TICKS_A_UNIT = 1.0 / TICK
_REFERENCE_TICKS = int(REFERENCE_VALUE / TICK)
_SCALE_OF_ROW = np.array(SCALES, dtype=np.float64)[:, None]


def cumulative(start: Floats, columns: Floats) -> Floats:
    """(c, n + 1): ``start`` (c,), whole ticks, then the running sums of ``columns`` (c, n) from there."""
    ticks = np.empty((columns.shape[0], columns.shape[1] + 1), dtype=np.int64)
    ticks[:, 0] = start * _TICKS_A_UNIT
    ticks[:, 1:] = _whole_ticks(columns)
    np.add.accumulate(ticks, axis=1, out=ticks)
    return from_ticks(ticks)


def sliding_likelihood_ratio(sums: Floats, scale: int) -> Floats:
    """|S_t - S_{t-L}|^2 / L of running sums (c, m), for the m - L places with L records behind them.

    Twice the log likelihood ratio of a shifted against an unshifted mean over the last L records, where the
    columns are uncorrelated with variance 1.
    """
    difference = sums[:, scale:] - sums[:, :-scale]
    np.multiply(difference, difference, out=difference)
    if difference.shape[1] == 1:  # NumPy would add up one column in another order than the first of two
        difference = np.repeat(difference, 2, axis=1)
    total: Floats = np.add.reduce(difference, axis=0)[: sums.shape[1] - scale]
    total /= scale
    return total


def sliding_likelihood_ratios(sums: Floats, n: int) -> Floats:
    """(len(SCALES), n) :func:`sliding_likelihood_ratio` of each scale at the last n places of running sums (c, m).

    0 at places without so many records behind them. Quicker than scale by scale: all columns are subtracted in one
    run over memory, from the end of each into the next one, and the differences across two columns are left out.
    """
    if n == 1:  # see sliding_likelihood_ratio
        return sliding_likelihood_ratios(sums, 2)[:, 1:]
    c, m = sums.shape
    behind = m - n  # the first place has so many records behind it
    missing = max(0, max(SCALES) - behind)
    if missing:
        sums = np.concatenate([np.zeros((c, missing)), sums], axis=1)
    first = behind + missing
    flat = np.ascontiguousarray(sums).reshape(-1)
    now = flat[first:]
    room = np.empty((c, first + n))
    squares, asked = room.reshape(-1)[first:], room[:, first:]
    ratios = np.empty((len(SCALES), n))
    for ratio, scale in zip(ratios, SCALES, strict=True):
        np.subtract(now, flat[first - scale : -scale], out=squares)
        np.square(squares, out=squares)
        np.add.reduce(asked, axis=0, out=ratio)
        if missing:
            ratio[: max(0, scale - behind)] = 0.0
    ratios /= _SCALE_OF_ROW
    return ratios


def two_sided_cusum(height: Floats, columns: Floats) -> Floats:
    """(2, c, n) CUSUMs of ``columns`` (c, n) after each record, upwards and downwards (Page 1954).

    ``height`` (2, c), whole ticks, is where they stood before the first record. With C the running sum of x - k
    (of -x - k downwards), they are C - min C, the minimum over this place and all before it.
    """
    return from_ticks(two_sided_cusum_ticks(to_ticks(height), to_ticks(columns)))


def two_sided_cusum_ticks(height: NDArray[np.int64], ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """:func:`two_sided_cusum`, in ticks and of ticks."""
    paths = np.empty((2, *ticks.shape), dtype=np.int64)
    np.subtract(ticks, _REFERENCE_TICKS, out=paths[0])
    np.subtract(-_REFERENCE_TICKS, ticks, out=paths[1])
    if not ticks.shape[1]:
        return paths
    paths[:, :, 0] += height
    np.add.accumulate(paths, axis=2, out=paths)
    first = paths[:, :, 0].copy()
    np.minimum(first, 0, out=paths[:, :, 0])  # the lowest place before the first record
    minima = np.minimum.accumulate(paths, axis=2)
    paths[:, :, 0] = first
    paths -= minima
    return paths


def to_ticks(columns: Floats) -> NDArray[np.int64]:
    """The nearest whole numbers of ticks of numbers below 8.7e12; sums of them are exact in any order."""
    return _whole_ticks(columns).astype(np.int64)


def _whole_ticks(columns: Floats) -> Floats:
    ticks = columns * _TICKS_A_UNIT
    return np.rint(ticks, out=ticks)


def from_ticks(ticks: NDArray[np.int64]) -> Floats:
    """Ticks as numbers again; exact below 2^53 ticks."""
    units = ticks.astype(np.float64)
    units *= TICK
    return units
