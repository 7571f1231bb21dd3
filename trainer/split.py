"""Which rows train and which are held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, SettingsError
from trainer.calibration.folds import stratified_folds
from trainer.table import Labels

#: Share of the rows held out.
HOLDOUT_SHARE = 0.2

Rows = NDArray[np.intp]
#: Stratified: drawn by a seed, each class alike. Time: the rows are in order, and only earlier ones train.
SplitKind = Literal["stratified", "time"]


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of both parts, ascending; together every row once."""

    train: Rows  #: (n_train,)
    holdout: Rows  #: (n_holdout,)

    @property
    def by_time(self) -> bool:
        """Whether every held-out row comes after every training row."""
        return bool(len(self.train) and len(self.holdout) and self.train[-1] < self.holdout[0])


def stratified_split(y: Labels, seed: int, holdout_share: float = HOLDOUT_SHARE) -> Split:
    """Hold out the same share of each class, chosen by ``seed``.

    >>> split = stratified_split(np.repeat(np.array([0, 1], dtype=np.uint8), [5, 10]), seed=0)
    >>> len(split.train), len(split.holdout)
    (12, 3)

    Raises
    ------
    DataError
        A class with fewer than two rows: one part would be without it.
    """
    generator = np.random.default_rng(seed)
    held = np.zeros(len(y), dtype=np.bool_)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        if len(rows) < 2:
            raise DataError(f"class {label} has {len(rows)} rows; add labelled rows until each class has two")
        count = min(max(round(holdout_share * len(rows)), 1), len(rows) - 1)
        held[generator.permutation(rows)[:count]] = True
    return Split(np.flatnonzero(~held), np.flatnonzero(held))


def newest_split(times: NDArray[np.int64], holdout_share: float = HOLDOUT_SHARE) -> Split:
    """Hold out the newest share by ``times`` (n,); of equal times the later row counts as newer.

    Raises
    ------
    DataError
        Fewer than two rows.
    """
    n = len(times)
    if n < 2:
        raise DataError(f"{n} labelled rows cannot be split by time; wait for more labels")
    count = min(max(round(holdout_share * n), 1), n - 1)
    order = np.argsort(times, kind="stable")
    return Split(np.sort(order[: n - count]), np.sort(order[n - count :]))


def check_order(kind: SplitKind, *, ordered: bool) -> None:
    """Raises SettingsError for a split in time of rows that are in no order."""
    if kind == "time" and not ordered:
        raise SettingsError(
            "a split in time needs rows in the order of time; leave out --unordered or --split time"
        )


def split_by(kind: SplitKind, y: Labels, seed: int, classes: tuple[str, str] = ("0", "1")) -> Split:
    """One split of rows (n,) in their order, drawn by ``seed`` where it is not that of time.

    ``classes`` are what messages call class 0 and class 1.

    Raises
    ------
    DataError
        Too few rows of a class; in time, a part of one class.
    """
    if kind == "stratified":
        return stratified_split(y, seed)
    split = newest_split(np.arange(len(y)))
    for part, rows in (("oldest", split.train), ("newest", split.holdout)):
        if y[rows].min() == y[rows].max():
            raise DataError(
                f"all {len(rows)} {part} rows are of class {classes[y[rows[0]]]!r}, so a split in time cannot "
                "judge; give rows in the order of time, or split stratified"
            )
    return split


def stratified_splits(y: Labels, seed: int, folds: int) -> tuple[Split, ...]:
    """Hold out each of ``folds`` parts of about equal size in turn, every class dealt out evenly by ``seed``.

    Raises
    ------
    DataError
        Fewer than two folds, or a class with fewer rows than folds.
    """
    _check_folds(folds)
    for label in (0, 1):
        rows = int((y == label).sum())
        if rows < folds:
            raise DataError(
                f"class {label} has {rows} rows, fewer than {folds} folds; add rows or ask for fewer folds"
            )
    numbers = stratified_folds(y, seed, folds)
    return tuple(Split(np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)) for fold in range(folds))


def time_ordered_splits(rows: int, folds: int, gap: int = 0) -> tuple[Split, ...]:
    """Hold out ``folds`` runs of neighbours in turn; only rows before a run train for it.

    The splits of scikit-learn's ``TimeSeriesSplit``. ``gap`` rows just before each run do not train either: their
    labels would not be known yet.

    >>> [(len(split.train), split.holdout.tolist()) for split in time_ordered_splits(7, 3)]
    [(4, [4]), (5, [5]), (6, [6])]

    Raises
    ------
    DataError
        Fewer than two folds, or too few rows for so many folds and such a gap.
    """
    _check_folds(folds)
    size = rows // (folds + 1)
    first = rows - folds * size
    if not size or first - gap < 2:
        raise DataError(f"{rows} rows are too few for {folds} folds in time and a gap of {gap}; ask for less")
    starts = range(first, rows, size)
    return tuple(Split(np.arange(start - gap), np.arange(start, start + size)) for start in starts)


def _check_folds(folds: int) -> None:
    if folds < 2:
        raise DataError(f"{folds} folds leave nothing to judge by; ask for at least two")
