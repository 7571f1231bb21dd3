"""Bins of each column, for changes that leave its mean alone, and how far a window's counts may stray by chance.

A window of n records with shares p is judged by G = 2 n sum_k p_k ln(p_k / pi_k) against the reference shares pi,
the likelihood ratio against a multinomial with those shares (Wilks 1938, *Ann. Math. Statist.* 9:60-62), over
Williams' factor (1976, *Biometrika* 63:33-39). Pearson's n sum_k (p_k - pi_k)^2 / pi_k is its first order; far in
the tail, where false alarms of one in thousands are decided, bins of a few records make Pearson's exceed the
chi-square's quantile many times too often, and G does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.model import Floats

Counts = NDArray[np.int64]

#: Bins of a column without ties: deciles, as users of PSI expect them.
BINS = 10
#: Fewest records that a judged bin expects, in the window and in the reference; below, it joins its neighbour
#: (Cochran 1954, *Biometrics* 10:417-451). With 10 the false alarms keep their rate no better, and of windows of
#: 50 records with twice the spread half as many are found.
LEAST_EXPECTED = 5
#: Windows exceed a chi-square's quantile about 1 + (2.5 / m)^2 times as often as they should, where the smallest
#: bin expects m records: measured at tails of .01 and .001 with 5 and 10 equal bins, 1.2 to 1.4 times at m = 5 and
#: 1.0 to 1.1 times at m = 10.
EXCESS_AT = 2.5
#: Share of references that may be so unlucky that windows exceed the false-alarm rate.
UNLUCKY_REFERENCES = 0.05
#: Added to every count that PSI takes the logarithm of, so that an empty bin is finite (Jeffreys' prior).
_SMOOTHING = 0.5
#: Sizes of window whose layout of judged bins is kept.
_LAYOUTS = 64
#: Comparisons at once: their result stays in a cache of a few MB.
_COMPARISONS = 1_600_000
_BITS = 8  # a packed byte holds as many


@dataclass(frozen=True, eq=False)
class BinDistances:
    """How far a window's counts are from the reference shares, one a column: arrays (c,)."""

    statistic: Floats  #: G over the bins judged at this number of records; 0 for a column that is not judged
    stability_index: Floats  #: PSI over all bins, each count smoothed by half a record
    kolmogorov: Floats  #: largest difference of the cumulative shares at an edge

    def blame(self, thresholds: Floats) -> NDArray[np.int64]:
        """(c,) columns, the one farthest beyond (or nearest to) its threshold first; equal ones in their order."""
        return np.argsort(-self.statistic / thresholds, kind="stable")


@dataclass(frozen=True, eq=False)
class _Layout:
    """Which bins are judged at one number of records n, and all of the statistic that nothing else decides."""

    cells: NDArray[np.int64]  #: (c * 10,) the judged bin, of all c * 10, that each bin joins
    last: NDArray[np.int64]  #: (c,) the last judged bin of each column; 0: the column is not judged
    shares: Floats  #: (c, 10) reference shares of the judged bins
    expected: Floats  #: (c, 10) n times these; n where there is no such bin, which holds no records either
    divisor: Floats  #: (c,) Williams' factor; infinite for a column that is not judged


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of c columns, fitted to N reference records by :func:`fit_bins`; plain arrays, for a model file.

    Bin k of a column holds x with edge_{k-1} < x <= edge_k. A column of few values has fewer bins; its further
    edges are infinite and their shares 0. A column of one value has one bin and is never judged.
    """

    edges: Floats  #: (c, 9) interior edges, rising
    shares: Floats  #: (c, 10) of the reference records, those of a column add up to 1
    rows: int  #: N
    _layouts: dict[int, _Layout] = field(
        init=False, repr=False, default_factory=dict
    )  # of _layout: windows are nearly always of one size, and the layout costs more than the distance

    def count(self, columns: Floats) -> Counts:
        """(c, 10) records of ``columns`` (c, n) in each bin; the counts of panes add up to their window's."""
        c, n = columns.shape
        below = np.zeros(self.edges.shape, dtype=np.int64)
        step = max(1, _COMPARISONS // (_BITS * max(1, self.edges.size))) * _BITS
        for start in range(0, n, step):
            inside = columns[:, None, start : start + step] <= self.edges[:, :, None]
            below += np.add.reduce(np.bitwise_count(np.packbits(inside, axis=2)), axis=2, dtype=np.int64)
        counts = np.empty((c, BINS), dtype=np.int64)
        counts[:, 0] = below[:, 0]
        np.subtract(below[:, 1:], below[:, :-1], out=counts[:, 1:-1])
        counts[:, -1] = n - below[:, -1]
        return counts

    def distances(self, counts: Counts) -> BinDistances:
        """Distances of a window's counts (c, 10), every column counted over the same records."""
        n = int(counts[0].sum()) if len(counts) else 0
        if n == 0:
            nothing = np.zeros(len(counts))
            return BinDistances(nothing, nothing, nothing)
        apart = np.abs(np.cumsum(counts / n - self.shares, axis=1)).max(axis=1)
        return BinDistances(self._likelihood_ratio(counts, n), self._stability_index(counts, n), apart)

    def statistic(self, counts: Counts) -> Floats:
        """(c,) the statistic of :meth:`distances` alone."""
        n = int(np.add.reduce(counts[0])) if len(counts) else 0
        return self._likelihood_ratio(counts, n) if n else np.zeros(len(counts))

    def thresholds(self, records: int, tail: float, *, known_truth: bool = False) -> Floats:
        """(c,) bounds that ``statistic`` exceeds in any column with at most probability ``tail`` without drift.

        That holds for at least 95 % of references, each N independent records; under ``known_truth`` the windows
        are drawn from the reference itself, and nothing is allowed for its own chance. Infinite for a column that
        is not judged at so few records. docs/statistics.md derives them.

        Raises
        ------
        ValueError
            A tail that is not a probability between 0 and 1.
        """
        _check_tail(tail)
        layout = self._layout(records)
        last = layout.last
        judged = int(np.count_nonzero(last))
        thresholds = np.full(len(last), np.inf)
        if not judged:
            return thresholds
        smallest = float(layout.shares[np.arange(BINS) <= last[:, None]].min())
        tail /= 1.0 + (EXCESS_AT / (records * smallest)) ** 2
        for degrees in np.unique(last[last > 0]).tolist():
            unlucky = 0.0 if known_truth else chi_square_quantile(UNLUCKY_REFERENCES / judged, degrees)
            noncentrality = unlucky * records / self.rows
            thresholds[last == degrees] = chi_square_quantile(tail / judged, degrees, noncentrality)
        return thresholds

    def _layout(self, records: int) -> _Layout:
        """The layout at so many records, kept."""
        found = self._layouts.get(records)
        if found is None:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            found = self._layouts[records] = self._lay_out(max(1, records))
        return found

    def _lay_out(self, records: int) -> _Layout:
        place, last = self._merge(records)
        cells = (place + BINS * np.arange(len(place))[:, None]).ravel()
        shares = _joined(self.shares, cells)
        real = np.where(shares > 0, shares, 1.0)
        inverse = np.where(np.arange(BINS) <= last[:, None], 1.0 / real, 0.0).sum(axis=1)
        williams = 1.0 + (inverse - 1.0) / (6.0 * records * np.maximum(last, 1))
        return _Layout(cells, last, shares, records * real, np.where(last > 0, williams, np.inf))

    def _merge(self, records: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(c, 10) the judged bin that each bin joins at so many records, and (c,) the last of them.

        From the left, a bin is closed as soon as it and what is left over each expect enough records.
        """
        reference = np.rint(self.shares * self.rows)
        enough = LEAST_EXPECTED * self.rows / min(records, self.rows)
        left = self.rows - np.cumsum(reference, axis=1)
        place = np.zeros(reference.shape, dtype=np.int64)
        current = np.zeros(len(reference), dtype=np.int64)
        filled = np.zeros(len(reference))
        for k in range(BINS):
            place[:, k] = current
            filled += reference[:, k]
            closed = (filled >= enough) & (left[:, k] >= enough)
            current = current + closed
            filled = np.where(closed, 0.0, filled)
        return place, current

    def _likelihood_ratio(self, counts: Counts, n: int) -> Floats:
        layout = self._layout(n)
        observed = _joined(counts, layout.cells)
        terms = np.log(np.maximum(observed, 1.0) / layout.expected)  # counts are whole: only 0 is below 1
        terms *= observed
        g = 2.0 * np.add.reduce(terms, axis=1)
        statistic: Floats = np.maximum(g, 0.0) / layout.divisor
        return statistic

    def _stability_index(self, counts: Counts, n: int) -> Floats:
        real = self.shares > 0
        extra = _SMOOTHING * real.sum(axis=1, keepdims=True)
        window = (counts + _SMOOTHING) / (n + extra)
        reference = (self.shares * self.rows + _SMOOTHING) / (self.rows + extra)
        index: Floats = np.where(real, (window - reference) * np.log(window / reference), 0.0).sum(axis=1)
        return index


def _joined(values: NDArray[np.float64 | np.int64], cells: NDArray[np.int64]) -> Floats:
    """(c, 10) sums of ``values`` (c, 10) over the bins that join the same one."""
    sums = np.bincount(cells, values.ravel(), len(cells)).astype(np.float64, copy=False)
    return sums.reshape(values.shape)


def fit_bins(columns: Floats) -> Bins:
    """Bins of finite reference columns (c, N): edges at the possible cuts whose shares are nearest to the deciles.

    Equal values are never cut apart, so that 0 and 1, integers and columns with most rows tied get the bins that
    their values allow; every bin holds reference records.

    Raises
    ------
    ValueError
        No records.
    """
    c, n = columns.shape
    if n == 0:
        raise ValueError("bins need at least one reference record")
    edges = np.full((c, BINS - 1), np.inf)
    for column, own in zip(np.sort(columns, axis=1), edges, strict=True):
        found = _edges(column)
        own[: len(found)] = found
    shares = Bins(edges, np.zeros((c, BINS)), n).count(columns) / n
    return Bins(edges, shares, n)


def _edges(ascending: Floats) -> Floats:
    n = len(ascending)
    cuts = np.flatnonzero(ascending[1:] > ascending[:-1]) + 1  # records below each place between two values
    if not len(cuts):
        return cuts.astype(np.float64)
    deciles = np.arange(1, BINS) * (n / BINS)
    above = np.searchsorted(cuts, deciles)
    lower, upper = cuts[np.maximum(above - 1, 0)], cuts[np.minimum(above, len(cuts) - 1)]
    chosen = np.unique(np.where(deciles - lower <= upper - deciles, lower, upper))
    below, following = ascending[chosen - 1], ascending[chosen]
    # half-way, so that a value whose last bits were computed in another way stays in its bin
    middle = below / 2.0 + following / 2.0
    edges: Floats = np.where((middle >= below) & (middle < following), middle, below)
    return edges


@lru_cache(maxsize=1024)
def chi_square_quantile(tail: float, degrees: int, noncentrality: float = 0.0) -> float:
    """The value that a chi-square with so many degrees and noncentrality exceeds with probability ``tail``.

    Raises
    ------
    ValueError
        A tail that is not between 0 and 1.

    >>> round(chi_square_quantile(0.05, 9), 3)
    16.919
    """
    _check_tail(tail)
    low, high = 0.0, degrees + noncentrality
    while chi_square_tail(high, degrees, noncentrality) > tail:
        low, high = high, 2.0 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2.0
        if chi_square_tail(middle, degrees, noncentrality) > tail:
            low = middle
        else:
            high = middle
    return high


def _check_tail(tail: float) -> None:
    if not 0.0 < tail < 1.0:
        raise ValueError(f"a tail of {tail} is no probability between 0 and 1")


def chi_square_tail(x: float, degrees: int, noncentrality: float = 0.0) -> float:
    """P(X > x) of a chi-square with so many degrees of freedom (a whole number) and noncentrality.

    A Poisson mixture of central chi-squares (Johnson, Kotz and Balakrishnan, *Continuous Univariate Distributions*
    2, 1995, ch. 29), each from the one with two degrees fewer by Q(a + 1, h) = Q(a, h) + h^a e^-h / Gamma(a + 1).
    All terms are positive, so that the far tail loses no digits.
    """
    if x <= 0.0:
        return 1.0
    half, mean = x / 2.0, noncentrality / 2.0
    least, first = (0.5, math.erfc(math.sqrt(half))) if degrees % 2 else (1.0, math.exp(-half))
    steps = (degrees - 1) // 2
    terms = int(mean + 12.0 * math.sqrt(mean)) + 40 if mean > 0 else 1  # the mass beyond them is below 1e-15
    order = least + np.arange(steps + terms - 1)
    log_gamma = math.lgamma(least) + np.cumsum(np.log(order))
    added = np.exp(order * math.log(half) - half - log_gamma)
    tails = np.concatenate([[first], first + np.cumsum(added)])[steps:]
    if mean == 0.0:
        return float(tails[0])
    number = np.arange(terms)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(number[1:]))])
    return float(np.exp(number * math.log(mean) - mean - log_factorial) @ tails)
