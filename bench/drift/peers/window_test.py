"""Peers that judge one window after another: a Kolmogorov-Smirnov test per feature, and mean |z|."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.model import Floats

#: (k, n, d) windows to (k,) whether each alarms.
Judge = Callable[[Floats], NDArray[np.bool_]]


class WindowTest:
    """Alarms at the last record of a window; windows of n records follow each other without overlap."""

    def __init__(self, name: str, window_records: int, judge: Judge) -> None:
        self.name = name
        self._n = window_records
        self._judge = judge
        self._waiting: Floats | None = None

    def restart(self) -> None:
        """The next record is the first of a window."""
        self._waiting = None

    def feed(self, x: Floats) -> int | None:
        """Judge the windows that these (n, d) rows complete."""
        waiting = 0 if self._waiting is None else len(self._waiting)
        rows = x if self._waiting is None else np.concatenate([self._waiting, x])
        whole = len(rows) // self._n * self._n
        if whole:
            alarms = self._judge(rows[:whole].reshape(-1, self._n, x.shape[1]))
            if alarms.any():
                return (int(alarms.argmax()) + 1) * self._n - 1 - waiting
        self._waiting = rows[whole:]
        return None


def kolmogorov_smirnov(reference: Floats, window_records: int, alpha: float) -> WindowTest:
    """Two-sample tests of each window's features against the reference (N, d), Bonferroni over the features.

    The critical distance is the asymptotic one, sqrt(-ln(alpha / 2d) / 2 (1/n + 1/N)); Smirnov 1948, Annals of
    Mathematical Statistics 19:279.
    """
    ordered = np.sort(reference, axis=0)
    rows, width = reference.shape
    v = 1.0 / window_records + 1.0 / rows
    critical = float(np.sqrt(-0.5 * np.log(alpha / (2.0 * width)) * v))
    return WindowTest(
        f"KS, windows of {window_records}",
        window_records,
        lambda windows: distances(ordered, windows).max(axis=1) > critical,
    )


def distances(ordered: Floats, windows: Floats) -> Floats:
    """Kolmogorov-Smirnov distances (k, d) of windows (k, n, d) from a reference (N, d) sorted by column.

    The largest difference of the two step functions stands at a value of the window, or just below one. Among
    equal values the last has the right upper step and the first the right lower one; the others give less.
    """
    windows = np.sort(windows, axis=1)
    count, n, width = windows.shape
    upper = np.arange(1, n + 1) / n
    found = np.empty((count, width))
    for feature in range(width):
        values = windows[:, :, feature]
        at = np.searchsorted(ordered[:, feature], values, side="right") / len(ordered)
        below = np.searchsorted(ordered[:, feature], values, side="left") / len(ordered)
        found[:, feature] = np.maximum((upper - at).max(axis=1), (below - upper + 1.0 / n).max(axis=1))
    return found


def mean_abs_z(reference: Floats, window_records: int, threshold: float) -> WindowTest:
    """Mean over the features of |window mean - reference mean| in standard deviations of the reference."""
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    return WindowTest(
        f"mean |z|, windows of {window_records}",
        window_records,
        lambda windows: np.abs((windows.mean(axis=1) - mean) / deviation).mean(axis=1) > threshold,
    )
