"""Rows to judge, drawn by hypothesis: ties, certain probabilities, one class, one row, weights of zero."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import strategies as st

from core.model import Floats
from trainer.table import Labels

R = TypeVar("R")

#: The promise against scikit-learn.
TOLERANCE = 1e-12

_PROBABILITIES = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5000001, 0.8, 1.0]), st.floats(0.0, 1.0))
_WEIGHTS = st.one_of(st.sampled_from([0.0, 1.0, 2.0, 7.0]), st.floats(0.01, 100.0))


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Outcomes, probabilities and, of some, weights (n,)."""

    y: Labels
    probability: Floats
    weights: Floats | None

    @property
    def classes(self) -> int:
        """How many classes have any weight."""
        counted = self.y if self.weights is None else self.y[self.weights > 0]
        return len(np.unique(counted))

    @property
    def positives(self) -> bool:
        """Whether class 1 has any weight."""
        counted = self.y if self.weights is None else self.y[self.weights > 0]
        return bool(counted.any())


@st.composite
def judged_rows(draw: st.DrawFn, weighted: bool | None = None) -> JudgedRows:
    """Rows with weights, without, or (None) either."""
    n = draw(st.integers(1, 40))
    y = draw(st.lists(st.sampled_from([0, 1]), min_size=n, max_size=n))
    p = draw(st.lists(_PROBABILITIES, min_size=n, max_size=n))
    weights = None
    if draw(st.booleans()) if weighted is None else weighted:
        weights = np.array(draw(st.lists(_WEIGHTS, min_size=n, max_size=n).filter(any)))
    return JudgedRows(np.array(y, dtype=np.uint8), np.array(p), weights)


def oracle(metric: Callable[..., R], *args: object, **kwargs: object) -> R:
    """What scikit-learn says; where it warns that a figure is undefined, ours is None, and that is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(*args, **kwargs)


def assert_alike(ours: float | None, theirs: float) -> None:
    """Equal to the tolerance, None standing for nan."""
    assert (np.nan if ours is None else ours) == pytest.approx(theirs, rel=0, abs=TOLERANCE, nan_ok=True)


def assert_all_alike(ours: Floats, theirs: Floats) -> None:
    """Equal shapes and values, to the tolerance."""
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)
