"""Calibration maps: monotone, finite, and the same bits for one row and for many."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.calibration import Calibration, CalibrationKind
from core.model import Floats, sigmoid

_ANY = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)
PLATT = Calibration("platt", np.array([1.7, -0.4]))
TEMPERATURE = Calibration("temperature", np.array([0.3, 0.0]))
ISOTONIC = Calibration("isotonic", np.array([[-3.1, -1.0, 0.2, 0.2000001, 5.7], [0.01, 0.1, 0.1, 0.7, 0.99]]))
ALL = [PLATT, TEMPERATURE, ISOTONIC]


def steep(kind: CalibrationKind) -> Calibration:
    """A map that comes to the ends of float64."""
    if kind == "isotonic":
        return Calibration(kind, np.array([[-8e307, 0.0, 5e-324, 9e307], [0.0, 0.3, 0.6, 1.0]]))
    return Calibration(kind, np.array([1e300, 1e300 if kind == "platt" else 0.0]))


KINDS: list[CalibrationKind] = ["platt", "temperature", "isotonic"]


@pytest.mark.parametrize("calibration", [*ALL, *(steep(kind) for kind in KINDS)], ids=lambda each: each.kind)
@given(logit=arrays(np.float64, st.integers(0, 9), elements=_ANY))
def test_every_logit_that_is_a_number_has_a_probability(calibration: Calibration, logit: Floats) -> None:
    probability = calibration.apply(logit)
    known = ~np.isnan(logit)
    assert ((probability[known] >= 0) & (probability[known] <= 1)).all()
    assert np.isnan(probability[~known]).all()


@pytest.mark.parametrize("calibration", [*ALL, *(steep(kind) for kind in KINDS)], ids=lambda each: each.kind)
@given(logit=st.lists(st.floats(allow_nan=False), min_size=2, max_size=9).map(sorted))
def test_a_higher_logit_never_has_a_lower_probability(calibration: Calibration, logit: list[float]) -> None:
    assert (np.diff(calibration.apply(np.array(logit))) >= 0).all()


@pytest.mark.parametrize("calibration", ALL, ids=lambda each: each.kind)
def test_rows_map_to_the_same_bits_alone_and_together(calibration: Calibration) -> None:
    logit = np.random.default_rng(0).normal(scale=4, size=67)
    together = calibration.apply(logit).view(np.uint64).tolist()
    for cuts in (range(68), (0, 1, 3, 10, 40, 67), (0, 33, 67)):
        parts = [calibration.apply(logit[start:stop]) for start, stop in itertools.pairwise(cuts)]
        assert np.concatenate(parts).view(np.uint64).tolist() == together


def test_linear_maps_are_the_formula() -> None:
    logit = np.linspace(-9, 9, 101)
    np.testing.assert_array_equal(PLATT.apply(logit), sigmoid(1.7 * logit - 0.4))
    np.testing.assert_array_equal(TEMPERATURE.apply(logit), sigmoid(0.3 * logit))


def test_an_isotonic_map_is_linear_between_its_knots_and_flat_beyond_them() -> None:
    logit = np.linspace(-6, 9, 1_001)
    expected = np.interp(logit, *ISOTONIC.values)
    np.testing.assert_allclose(ISOTONIC.apply(logit), expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(ISOTONIC.apply(ISOTONIC.values[0]), ISOTONIC.values[1])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("platt", [0.0, 1.0]),
        ("platt", [-1.0, 0.0]),
        ("platt", [1.0]),
        ("platt", [1.0, np.nan]),
        ("platt", [np.inf, 0.0]),
        ("temperature", [1.0, 0.5]),
        ("isotonic", [1.0, 2.0]),
        ("isotonic", [[0.0], [0.5]]),
        ("isotonic", [[0.0, 0.0], [0.1, 0.2]]),
        ("isotonic", [[1.0, 0.0], [0.1, 0.2]]),
        ("isotonic", [[-1.7e308, 1.7e308], [0.1, 0.2]]),
        ("isotonic", [[0.0, 1.0], [0.2, 0.1]]),
        ("isotonic", [[0.0, 1.0], [-0.1, 0.1]]),
        ("isotonic", [[0.0, 1.0], [0.5, 1.1]]),
        ("isotonic", [[0.0, 1.0], [0.5, 0.6], [0.7, 0.8]]),
        ("beta", [1.0, 0.0]),
    ],
)
def test_values_of_no_monotone_map_are_refused(kind: CalibrationKind, values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"calibration|temperature|knots"):
        Calibration(kind, np.array(values))
