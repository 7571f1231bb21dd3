"""Whether ordered reference rows come from one distribution: a reference that drifts itself is no yardstick.

The scan of the likelihood ratio for one change of mean (James, James and Siegmund 1987, *Biometrika* 74:71-83),
the largest of |S_s - (s/N) S_N|^2 / (N (s/N) (1 - s/N)) over the places s of the change, finds steps and ramps. It
runs over all columns together, for what moves many of them, and over each alone, for what moves one of many; the
level comes from permutations, so that it needs no assumption on the distribution of a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.model import Floats

Rows = NDArray[np.int64]

#: A reference whose p-value is at most this drifts: one in a thousand that does not is refused.
LEVEL = 0.001
#: Fewest that can give a p-value of LEVEL: (1 + 0) / (1 + 999).
PERMUTATIONS = 999
#: After so many permutations as far apart as the rows themselves the answer is known (Besag and Clifford 1991,
#: *Biometrika* 78:301-304): most references that do not drift are done within a tenth of all permutations.
ENOUGH_EXCEEDING = 10
#: Part of the rows at each end where no change is looked for: a few rows decide there.
MARGIN = 0.05
#: With fewer rows only a shift of more than 2 SD would be significant.
LEAST_ROWS = 20
#: Rows are permuted in cells, at most so many: the null distribution needs no more, and time does not grow with N.
MOST_CELLS = 1000
#: Labels that change less often than this part of what a random order would give are stored by class.
GROUPED_SHARE = 0.1
_SEED = 20_240
_NUMBERS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Shift:
    """How far the mean of one feature moved at the change."""

    feature: str
    deviations: float  #: mean after less mean before, in the unit of the columns: training standard deviations


@dataclass(frozen=True, eq=False)
class Homogeneity:
    """What the scan found; the change is its best estimate of where, whether or not it is significant."""

    p_value: float  #: of no change; 1 with fewer than ``LEAST_ROWS`` rows
    statistic: float  #: the largest value of both scans, as a normal score
    before: Rows  #: row numbers before the change
    after: Rows  #: row numbers from the change on
    grouped_by_class: bool  #: the rows are stored by class, and each class was judged by itself

    @property
    def drifts(self) -> bool:
        """Whether the reference must be refused."""
        return self.p_value <= LEVEL

    @property
    def split(self) -> int:
        """The first row after the change; within one class where the rows are stored by class."""
        return int(self.after[0]) if len(self.after) else 0

    def shifts(self, columns: Floats) -> Floats:
        """(c,) mean after less mean before the change, of ``columns`` (c, N) of the same rows in any unit."""
        if not len(self.before) or not len(self.after):
            return np.zeros(len(columns))
        shifts: Floats = columns[:, self.after].mean(axis=1) - columns[:, self.before].mean(axis=1)
        return shifts

    def largest_shifts(self, standardised: Floats, features: Sequence[str], most: int = 3) -> tuple[Shift, ...]:
        """The features that moved most, the largest first, from their standardised columns (c, N)."""
        shifts = self.shifts(standardised)
        order = np.argsort(-np.abs(shifts), kind="stable")[:most]
        return tuple(Shift(features[index], float(shifts[index])) for index in order)


def examine_homogeneity(columns: Floats, labels: NDArray[np.generic] | None = None) -> Homogeneity:
    """Look for a change of mean over the order of reference rows; deterministic.

    Parameters
    ----------
    columns
        (c, N), in the order of time, uncorrelated and bounded (``Columns.whitened``), in any unit: where they are
        correlated or heavy-tailed the level holds as well, but less is found. Rows must be independent of each
        other, as the innovations of an autoregression are.
    labels
        (N,) classes. Rows that are stored by class change at the border between two of them; then each class is
        judged by itself, around its own mean. Rows whose classes are mixed are judged as one.
    """
    grouped = labels is not None and is_grouped_by_class(labels)
    parts = [np.arange(columns.shape[1])]
    if labels is not None and grouped:
        parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    parts = [part for part in parts if len(part) >= LEAST_ROWS]
    if not parts or not len(columns):
        nothing = np.zeros(0, dtype=np.int64)
        return Homogeneity(1.0, 0.0, nothing, nothing, grouped)
    scaled = [_scaled(columns[:, part]) for part in parts]
    cells = [_cell_sums(part) for part in scaled]
    changes = [_change(part) for part in scaled]
    place, part = max(zip(changes, parts, strict=True), key=lambda found: found[0].value)
    statistic = max(float(_scan(sums[:, None])[0]) for sums in cells)
    before, after = part[: place.rows], part[place.rows :]
    return Homogeneity(_p_value(statistic, cells), statistic, before, after, grouped)


def is_grouped_by_class(labels: NDArray[np.generic]) -> bool:
    """Whether rows with these labels (N,) are stored by class, rather than in the order in which they came."""
    count = len(labels)
    sizes = np.unique(labels, return_counts=True)[1]
    if len(sizes) < 2:
        return False
    expected = (count - 1) * (1.0 - float((sizes * (sizes - 1.0)).sum()) / (count * (count - 1.0)))
    # few rows of a class make few changes in any order, but hardly ever as few as there are borders
    fewest = min(len(sizes) - 1.0, expected / 3.0)
    return bool(np.count_nonzero(labels[1:] != labels[:-1]) <= max(GROUPED_SHARE * expected, fewest))


@dataclass(frozen=True)
class _Change:
    rows: int  #: before it
    value: float  #: of the scans there


def _cell_starts(count: int) -> Rows:
    """First rows of cells of nearly equal length."""
    cells = min(MOST_CELLS, count)
    return np.arange(cells) * count // cells


def _cell_sums(columns: Floats) -> Floats:
    """(c, cells) sums of columns (c, n) over cells, by the root of a cell's rows."""
    starts = _cell_starts(columns.shape[1])
    sums: Floats = np.add.reduceat(columns, starts, axis=1) / np.sqrt(columns.shape[1] / len(starts))
    return sums


def _scaled(columns: Floats) -> Floats:
    """Columns (c, n) around their means, such that their cell sums vary as those of independent rows of SD 1."""
    centred = columns - columns.mean(axis=1, keepdims=True)
    deviation = np.sqrt((_cell_sums(centred) ** 2).mean(axis=1, keepdims=True))
    scaled: Floats = centred / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _places(count: int) -> Rows:
    """Numbers of rows or cells before a change that is looked for, of ``count``."""
    margin = max(1, math.ceil(MARGIN * count))
    return np.arange(margin, max(margin, count - margin) + 1)


def _squares(columns: Floats, places: Rows) -> Floats:
    """(c, ..., places) likelihood ratio of a change at each place in each of columns (c, ..., n) of mean 0."""
    count = columns.shape[-1]
    squares = np.cumsum(columns[..., : places[-1]], axis=-1)[..., places[0] - 1 :]
    np.multiply(squares, squares, out=squares)
    squares *= count / (places * (count - places))
    return squares


def _score(together: Floats, alone: Floats, width: int) -> Floats:
    """The larger of both scans of ``width`` columns as a normal score, so that neither drowns the other.

    Chi-squares by Wilson and Hilferty (1931, *PNAS* 17:684-688); the largest of c normal variables squared, m, is
    as rare as one of m - 2 ln(2 c). Roughly will do: permutations give the level.
    """
    spread = 2.0 / (9.0 * width)
    joint = (np.cbrt(together / width) - (1.0 - spread)) / math.sqrt(spread)
    single = np.sqrt(np.maximum(0.0, alone - 2.0 * math.log(2.0 * width)))
    score: Floats = np.maximum(joint, single)
    return score


def _scan(sums: Floats) -> Floats:
    """(k,) scores of k orders of cells (c, k, cells)."""
    squares = _squares(sums, _places(sums.shape[-1]))
    return _score(squares.sum(axis=0).max(axis=-1), squares.max(axis=(0, -1)), len(sums))


def _change(columns: Floats) -> _Change:
    """The place of the change, to the row, of columns (c, n) of mean 0."""
    places = _places(columns.shape[1])
    squares = _squares(columns, places)
    scores = _score(squares.sum(axis=0), squares.max(axis=0), len(columns))
    best = int(scores.argmax())
    return _Change(int(places[best]), float(scores[best]))


def _p_value(statistic: float, cells: list[Floats]) -> float:
    """Share of permutations, the rows' own order included, that score as high; each part permuted by itself."""
    generator = np.random.default_rng(_SEED)
    at_once = max(1, _NUMBERS_AT_ONCE // max(sums.size for sums in cells))
    done = exceeding = 0
    while done < PERMUTATIONS and exceeding < ENOUGH_EXCEEDING:
        batch = min(at_once, 10 + done, PERMUTATIONS - done)  # small ones first: most are decided by a few
        largest = np.full(batch, -np.inf)
        for sums in cells:
            order = generator.permuted(np.tile(np.arange(sums.shape[1]), (batch, 1)), axis=1)
            np.maximum(largest, _scan(sums[:, order]), out=largest)
        # equal but for rounding counts as reached: with few cells some orders are the rows' own
        exceeding += int(np.count_nonzero(largest >= statistic - 1e-9 * abs(statistic)))
        done += batch
    return (1 + exceeding) / (1 + done)
