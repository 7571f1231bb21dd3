"""The headline threshold keeps its promise on real rows."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from core.profile import profile_rows

_REFERENCE_ROWS = 720
_CHUNK = 500


@pytest.mark.parametrize(("n", "windows"), [(50, 40_000), (100, 20_000), (500, 20_000)])
def test_false_alarms_stay_within_a_fifth_of_one_percent(raisin_csv: Path, n: int, windows: int) -> None:
    """Reference: for each window a fresh one, 720 rows drawn with replacement from the 900 of Raisin, from which
    mean and standard deviation are taken. Stream: the 900 rows drawn with replacement, n a window. Threshold: the
    1 % tail from the correlation of the whole set, at N = 720.
    """
    with raisin_csv.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    x = np.array([[float(value) for value in row[:-1]] for row in rows[1:]])
    profile = dataclasses.replace(profile_rows(x, tuple(rows[0][:-1]), 0), rows=_REFERENCE_ROWS)
    threshold = profile.threshold(n, 0.01)
    centred = (x - x.mean(axis=0)) / x.std(axis=0)  # the score is the same, and sums of squares lose no digits
    squares = centred**2
    generator = np.random.default_rng(20)
    alarms = 0
    for _ in range(windows // _CHUNK):
        reference = _counts(generator.integers(0, len(x), (_CHUNK, _REFERENCE_ROWS)), len(x))
        mean = reference @ centred / _REFERENCE_ROWS
        deviation = np.sqrt(reference @ squares / _REFERENCE_ROWS - mean**2)
        window = _counts(generator.integers(0, len(x), (_CHUNK, n)), len(x)) @ centred / n
        alarms += int((np.abs((window - mean) / deviation).mean(axis=1) > threshold).sum())
    assert 0.008 <= alarms / windows <= 0.012


def _counts(
    drawn: np.ndarray[tuple[int, ...], np.dtype[np.int64]], rows: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How often each row was drawn, (draws, rows): means are matrix products with it."""
    offsets = np.arange(len(drawn))[:, None] * rows
    return (
        np.bincount((drawn + offsets).ravel(), minlength=len(drawn) * rows).reshape(len(drawn), rows).astype(float)
    )
