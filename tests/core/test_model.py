"""Inference: the same bits for one row and for many, no warning at any input."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.calibration import Calibration
from core.errors import SchemaError
from core.model import Floats, LogisticModel, sigmoid
from core.schema import Schema

CALIBRATIONS = [
    Calibration("platt", np.array([0.7, -0.4])),
    Calibration("isotonic", np.array([[-400.0, 0.0, 900.0], [0.1, 0.4, 0.8]])),
]
_ANY = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


def random_model(d: int, seed: int = 0) -> LogisticModel:
    generator = np.random.default_rng(seed)
    return LogisticModel(
        Schema(tuple(f"f{index}" for index in range(d))),
        generator.normal(size=d) * 10 ** generator.uniform(-3, 3, d),
        float(generator.normal()),
        generator.normal(size=d) * 1e3,
        10 ** generator.uniform(-2, 4, d),
    )


def _bits(values: Floats) -> list[int]:
    return np.ascontiguousarray(values).view(np.uint64).ravel().tolist()


@pytest.mark.parametrize("d", range(1, 61))
def test_rows_score_to_the_same_bits_alone_and_together(d: int) -> None:
    model = random_model(d, d)
    x = np.random.default_rng(100 + d).normal(size=(67, d)) * 1e4
    together = model.score(x)
    for cuts in (range(67), (0, 1, 3, 10, 11, 40), (0, 33), (0, 8, 16, 64)):
        ends = [*list(cuts)[1:], 67]
        parts = [model.score(x[start:stop]) for start, stop in zip(cuts, ends, strict=True)]
        for name in ("logit", "probability", "contributions"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert _bits(joined) == _bits(getattr(together, name))


def test_the_memory_order_of_the_rows_does_not_change_a_bit() -> None:
    model = random_model(23)
    x = np.random.default_rng(1).normal(size=(50, 23))
    expected = _bits(model.score(x).logit)
    wide = np.zeros((50, 46))
    wide[:, ::2] = x
    for same in (np.asfortranarray(x), wide[:, ::2], np.frombuffer(x.tobytes()).reshape(x.shape)):
        assert _bits(model.score(same).logit) == expected


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 60, 500])
def test_bias_and_contributions_sum_to_the_logit(d: int) -> None:
    model = random_model(d)
    scores = model.score(np.random.default_rng(2).normal(size=(20, d)) * 1e3)
    for logit, row in zip(scores.logit.tolist(), scores.contributions.tolist(), strict=True):
        exact = Fraction(model.intercept) + sum(map(Fraction, row))
        size = abs(model.intercept) + sum(map(abs, row))
        assert abs(float(Fraction(logit) - exact)) <= 1e-12 * size


@given(arrays(np.float64, (4, 3), elements=_ANY))
def test_no_input_raises_or_warns(x: Floats) -> None:
    for calibration in (None, *CALIBRATIONS):
        scores = replace(random_model(3), calibration=calibration).score(x)
        finite = np.isfinite(scores.logit)
        assert np.isfinite(scores.contributions[finite]).all()
        assert ((scores.probability[finite] >= 0) & (scores.probability[finite] <= 1)).all()
        assert (scores.predicted == (scores.probability >= 0.5)).all()


@given(arrays(np.float64, 5, elements=_ANY))
def test_sigmoid_of_any_float64_is_quiet_and_symmetric(logit: Floats) -> None:
    probability = sigmoid(logit)
    known = ~np.isnan(logit)
    assert (np.isnan(probability) == ~known).all()
    assert ((probability[known] >= 0) & (probability[known] <= 1)).all()
    assert np.allclose(probability[known] + sigmoid(-logit[known]), 1.0, atol=1e-15)


def test_signalling_nans_are_quiet_too() -> None:
    signalling = np.array([0x7FF0000000000001, 0xFFF4000000000000], dtype=np.uint64).view(np.float64)
    assert np.isnan(sigmoid(signalling)).all()
    assert np.isnan(random_model(2).score(signalling.reshape(1, 2)).logit).all()


def test_sigmoid_at_the_ends() -> None:
    ends = np.array([-np.inf, -1e308, -745.2, -710.0, 0.0, 37.0, 1e308, np.inf])
    probability = sigmoid(ends)
    assert probability[[0, 1, 4, 6, 7]].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert 0 < probability[3] < 1e-300
    assert (np.diff(probability) >= 0).all()


def test_even_odds_are_class_1() -> None:
    model = LogisticModel(Schema(("a",)), np.ones(1), 0.0, np.zeros(1), np.ones(1))
    assert model.score(np.array([[0.0], [-5e-324], [-1e-9]])).predicted.tolist() == [1, 1, 0]


def test_a_feature_without_variance_enters_as_its_distance() -> None:
    model = LogisticModel(
        Schema(("a", "b")), np.array([2.0, 3.0]), 1.0, np.array([5.0, 7.0]), np.array([0.0, 2.0])
    )
    scores = model.score(np.array([[5.0, 9.0], [6.0, 7.0]]))
    assert scores.contributions.tolist() == [[0.0, 3.0], [2.0, 0.0]]
    assert scores.logit.tolist() == [4.0, 3.0]


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda each: each.kind)
def test_calibration_maps_the_logit_and_leaves_it_and_its_parts(calibration: Calibration) -> None:
    model = random_model(5)
    calibrated = replace(model, calibration=calibration, threshold=0.3)
    x = np.random.default_rng(3).normal(size=(40, 5)) * 1e3
    raw, scores = model.score(x), calibrated.score(x)
    assert raw.raw_probability is None
    assert scores.raw_probability is not None
    for same, other in ((raw.logit, scores.logit), (raw.contributions, scores.contributions)):
        assert _bits(same) == _bits(other)
    assert _bits(scores.raw_probability) == _bits(raw.probability) == _bits(scores.uncalibrated)
    assert _bits(scores.probability) == _bits(calibration.apply(raw.logit))
    assert (scores.predicted == (scores.probability >= 0.3)).all()
    for row in range(40):  # alone as together
        assert _bits(calibrated.score(x[row : row + 1]).probability) == _bits(scores.probability[row : row + 1])


def test_some_rows_keep_all_that_is_said_of_them() -> None:
    x = np.random.default_rng(4).normal(size=(9, 3)) * 1e3
    kept = np.arange(9) % 3 == 1
    for model in (random_model(3), replace(random_model(3), calibration=CALIBRATIONS[0], threshold=0.2)):
        some, alone = model.score(x).rows(kept), model.score(x[kept])
        assert (some.threshold, some.predicted.tolist()) == (alone.threshold, alone.predicted.tolist())
        for name in ("logit", "probability", "contributions", "uncalibrated"):
            assert _bits(getattr(some, name)) == _bits(getattr(alone, name))
        assert (some.raw_probability is None) == (model.calibration is None)


@pytest.mark.parametrize("threshold", [-0.01, 1.01, np.nan])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(SchemaError, match="threshold"):
        replace(random_model(2), threshold=threshold)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coefficients", [1.0]),
        ("coefficients", [1.0, np.nan]),
        ("center", [np.inf, 0.0]),
        ("scale", [[1.0, 1.0]]),
        ("scale", [1.0, -1.0]),
        ("scale", [1.0, np.nan]),
        ("intercept", np.nan),
        ("intercept", -np.inf),
    ],
)
def test_a_model_of_wrong_shape_or_impossible_numbers_is_refused(name: str, value: object) -> None:
    parts: dict[str, object] = {
        "coefficients": np.ones(2), "intercept": 0.0, "center": np.zeros(2), "scale": np.ones(2),
    }  # fmt: skip
    parts[name] = np.array(value) if isinstance(value, list) else value
    with pytest.raises(SchemaError, match=name):
        LogisticModel(Schema(("a", "b")), **parts)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 9, 17, 130])
@pytest.mark.parametrize("n", [1, 2, 585, 5_000])
def test_scores_are_the_formula_to_the_bit(d: int, n: int) -> None:
    """However the work is cut into pieces: what docs/wire-format.md says of the logit holds."""
    model = random_model(d, d)
    x = np.random.default_rng(n).normal(size=(n, d)) * 1e3
    scores = model.score(x)
    contributions = np.ascontiguousarray((x - model.center) / model.scale * model.coefficients)
    assert _bits(scores.contributions) == _bits(contributions)
    assert _bits(scores.logit) == _bits(contributions.sum(axis=1) + model.intercept)
    assert _bits(model.score(np.asfortranarray(x)).logit) == _bits(scores.logit)
