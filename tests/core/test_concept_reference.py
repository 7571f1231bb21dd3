import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.concept_reference import (
    ConceptReference,
    concept_reference_of,
    fit_concept_reference,
    row_log_losses,
)
from core.errors import DataError, SchemaError
from core.model import Floats, sigmoid
from monitor.detectors.concept_alternatives import likelihood_ratios
from trainer.loss import reported_probability, row_losses


def outcomes_of(logit: Floats, seed: int, intercept: float = 0.0, slope: float = 1.0) -> Floats:
    """Outcomes whose log-odds are intercept + slope * logit."""
    drawn: Floats = (np.random.default_rng(seed).random(len(logit)) < sigmoid(intercept + slope * logit)).astype(
        float
    )
    return drawn


def held_out(rows: int, seed: int, intercept: float = 0.0, slope: float = 1.0) -> ConceptReference:
    logit = np.random.default_rng(seed + 1).normal(scale=2.0, size=rows)
    return fit_concept_reference(logit, outcomes_of(logit, seed, intercept, slope))


def test_a_large_holdout_gives_the_recalibration_that_made_it() -> None:
    reference = held_out(50_000, 0, intercept=0.7, slope=0.5)
    assert reference.coefficients == pytest.approx([0.7, 0.5], abs=0.05)


def test_outcomes_that_contradict_a_sure_model_are_tosses_and_leave_the_slope_alone() -> None:
    generator = np.random.default_rng(5)
    logit = generator.normal(scale=4.0, size=20_000)
    y = outcomes_of(logit, 6)
    tossed = generator.random(len(y)) < 0.1
    y[tossed] = generator.integers(0, 2, tossed.sum())
    reference = fit_concept_reference(logit, y)
    assert reference.toss_share == pytest.approx(0.1, abs=0.02)
    assert reference.coefficients == pytest.approx([0.0, 1.0], abs=0.1)


def minus_log_posterior(parameters: Floats, logit: Floats, y: Floats) -> float:
    """Of intercept, slope and share of tosses, as the module's text and priors say it."""
    intercept, slope, share = parameters
    p = share / 2 + (1 - share) * sigmoid(intercept + slope * logit)
    prior = intercept**2 / 2 + 2 * (slope - 1) ** 2 - 2 * np.log(share) - 18 * np.log(1 - share)
    return float(prior - np.log(np.where(y == 1, p, 1 - p)).sum())


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 300), scale=st.sampled_from([0.01, 1.0, 3.0, 30.0]))
def test_no_small_move_of_a_parameter_is_more_probable(seed: int, rows: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    logit = generator.standard_t(3, rows) * scale
    y = outcomes_of(logit, seed, slope=[0.0, 1.0, -1.0][seed % 3])
    reference = fit_concept_reference(logit, y)
    found = np.append(reference.coefficients, reference.toss_share)
    reached = minus_log_posterior(found, logit, y)
    for move in np.vstack([np.eye(3), -np.eye(3)]) * np.array([0.05, 0.05, 0.05 * reference.toss_share]):
        assert minus_log_posterior(found + move, logit, y) >= reached - 1e-3


def test_log_losses_are_those_that_the_trainer_reports() -> None:
    logit = np.concatenate([np.linspace(-60.0, 60.0, 241), [1e300, -1e300]])
    for label in (0, 1):
        y = np.full(len(logit), label, dtype=np.uint8)
        expected = row_losses(y, reported_probability(logit))
        # near certainty the trainer's 1 - p has few digits left
        assert row_log_losses(logit, y == 1) == pytest.approx(expected, rel=0.2, abs=1e-9)


def test_a_small_holdout_leaves_a_wider_band() -> None:
    logit, class_1 = np.array([0.0]), np.array([True])
    few, many = (held_out(rows, 1).outcome_range(logit, class_1) for rows in (60, 6_000))
    assert (few.most - few.least)[0] > 2 * (many.most - many.least)[0]
    assert few.least[0] < few.expected[0] < few.most[0]


@pytest.mark.parametrize(
    ("logit", "y"),
    [
        (np.array([-9.0, -8.0, 8.0, 9.0]), np.array([0, 0, 1, 1])),  # separable
        (np.linspace(-1, 1, 40), np.ones(40)),  # one class
        (np.array([0.5]), np.array([1])),  # one row
        (np.array([1e300, -1e300, 5.0]), np.array([1, 0, 0])),  # beyond any probability
        (np.zeros(30), np.tile([0.0, 1.0], 15)),  # a model that says nothing
    ],
    ids=["separable", "one class", "one row", "huge", "constant"],
)
def test_odd_holdouts_give_finite_numbers(logit: Floats, y: Floats) -> None:
    reference = fit_concept_reference(logit, y)
    assert np.isfinite(reference.values).all()
    assert np.array_equal(concept_reference_of(reference.values).values, reference.values)


@pytest.mark.parametrize(
    "values",
    [np.ones(8), np.full(9, np.nan), np.zeros(9), -np.ones(9), np.array([9, 0, 1, 1, 5, 1, 0.1, 0.3, 0.1])],
)
def test_numbers_that_no_fit_gives_are_refused(values: Floats) -> None:
    with pytest.raises(SchemaError):
        concept_reference_of(values)


@pytest.mark.parametrize("y", [np.array([0.0, 2.0]), np.array([np.nan, 1.0]), np.array([1.0])])
def test_outcomes_that_are_none_are_refused(y: Floats) -> None:
    with pytest.raises(DataError):
        fit_concept_reference(np.zeros(2), y)


def test_no_rows_are_no_reference() -> None:
    with pytest.raises(DataError, match="held out"):
        fit_concept_reference(np.zeros(0), np.zeros(0))


@given(logit=st.floats(-20, 20), place=st.floats(0, 1), rows=st.sampled_from([5, 50, 500]))
def test_no_likelihood_ratio_grows_on_average_whatever_the_truth_in_the_band(
    logit: float, place: float, rows: int
) -> None:
    reference = held_out(rows, 3)
    both = np.array([logit, logit])
    class_1 = np.array([True, False])
    seen = reference.outcome_range(both, class_1)
    ratios = likelihood_ratios(seen, class_1)
    truth = seen.least[0] + place * (seen.most[0] - seen.least[0])
    mean = truth * ratios[:, 0] + (1.0 - truth) * ratios[:, 1]
    assert (mean <= 1.0 + 1e-9).all()
