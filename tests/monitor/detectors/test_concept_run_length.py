"""The concept detector's promises on real rows, in short: many references, each with a model and a holdout of its
own.

Reference: 720 rows drawn with replacement from the 900 of Raisin, a model fitted on them, and 180 further draws
held out. Stream: the 900 rows drawn with replacement, with their own labels, or with labels drawn from a model of
all 900.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.concept_reference import ConceptReference, fit_concept_reference
from core.model import Floats, sigmoid
from monitor.detectors.concept import ConceptDetector
from trainer.loss import logits
from trainer.solvers.base import Problem
from trainer.solvers.newton import Newton
from trainer.table import Table, read_table

#: Labels between false alarms, at least.
BUDGET = 1_000
REFERENCES = 30
#: Budgets that each reference is watched for.
WATCHED = 8


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model as the detector sees it: its logits of all 900 rows (or moved ones), and its reference."""

    theta: Floats  #: (d + 1,) on the features in standard deviations of the 900 rows
    reference: ConceptReference

    def logit(self, z: Floats) -> Floats:
        """(n,) logits of standardised rows (n, d)."""
        return logits(self.theta, z)


@dataclass(frozen=True, eq=False)
class Population:
    """The 900 rows, standardised, and the probability of class 1 that labels are drawn with."""

    z: Floats  #: (900, d)
    probability: Floats  #: (900,)

    def fitted(self, number: int) -> Fitted:
        """Reference ``number``: a model of 720 draws, judged on 180 others."""
        generator = np.random.default_rng([31, number])
        rows = generator.integers(0, len(self.z), 900)
        y = (generator.random(900) < self.probability[rows]).astype(np.uint8)
        theta = theta_of(self.z[rows[:720]], y[:720])
        return Fitted(theta, fit_concept_reference(logits(theta, self.z[rows[720:]]), y[720:]))


def theta_of(z: Floats, y: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Floats:
    solution = Newton().solve(Problem(z, y), 0)
    return np.append(solution.coefficients, solution.intercept)


@pytest.fixture(scope="module")
def raisin(raisin_csv: Path) -> Table:
    return read_table(raisin_csv, "Class")


def standardised(x: Floats) -> Floats:
    z: Floats = (x - x.mean(axis=0)) / x.std(axis=0)
    return z


@pytest.fixture(scope="module")
def real(raisin: Table) -> Population:
    return Population(standardised(raisin.x), raisin.y.astype(float))


@pytest.fixture(scope="module")
def modelled(real: Population) -> Population:
    """Labels drawn from a model of all 900 rows: the concept is known."""
    return Population(real.z, sigmoid(logits(theta_of(real.z, real.probability.astype(np.uint8)), real.z)))


def alarms(reference: ConceptReference, logit: Floats, y: Floats) -> int:
    """False alarms; after each the test begins anew."""
    detector, start, count = ConceptDetector(reference, BUDGET), 0, 0
    while (index := detector.update(logit[start:], y[start:])) is not None:
        detector.reset()
        start += index + 1
        count += 1
    return count


def drawn(probability: Floats, generator: np.random.Generator) -> Floats:
    return (generator.random(len(probability)) < probability).astype(float)


def delays(population: Population, after: Floats, budget: float) -> Floats:
    """(references,) labels from a change to the alarm; from it on class 1 has probability ``after`` (900,).

    300 labels before the change warm the test up; a false alarm among them begins it anew.
    """
    found = []
    for number in range(REFERENCES):
        fitted, generator = population.fitted(number), np.random.default_rng([32, number])
        logit, detector = fitted.logit(population.z), ConceptDetector(fitted.reference, budget)
        quiet, changed = np.split(generator.integers(0, len(logit), 20_300), [300])
        if detector.update(logit[quiet], drawn(population.probability[quiet], generator)) is not None:
            detector.reset()
        index = detector.update(logit[changed], drawn(after[changed], generator))
        assert index is not None
        found.append(index + 1.0)
    return np.array(found)


@pytest.mark.parametrize("labels", ["real", "modelled"])
def test_nine_in_ten_references_keep_the_budget(labels: str, request: pytest.FixtureRequest) -> None:
    population: Population = request.getfixturevalue(labels)
    kept = 0
    for number in range(REFERENCES):
        fitted, generator = population.fitted(number), np.random.default_rng([33, number])
        rows = generator.integers(0, len(population.z), WATCHED * BUDGET)
        y = drawn(population.probability[rows], generator)
        kept += alarms(fitted.reference, fitted.logit(population.z)[rows], y) <= WATCHED
    assert kept >= 0.9 * REFERENCES


@pytest.mark.parametrize("moved", [-1.0, 0.5, 1.0])
def test_features_that_move_raise_no_alarm_while_outcomes_follow_the_reference(
    real: Population, moved: float
) -> None:
    kept = 0
    for number in range(REFERENCES):
        fitted, generator = real.fitted(number), np.random.default_rng([34, number])
        rows = generator.integers(0, len(real.z), WATCHED * BUDGET)
        logit = fitted.logit(real.z[rows] + moved)
        kept += alarms(fitted.reference, logit, drawn(fitted.reference.probability(logit), generator)) <= WATCHED
    assert kept >= 0.9 * REFERENCES


@pytest.mark.parametrize(("budget", "most"), [(1_000, 150), (10_000, 250)])
def test_fifteen_percent_of_wrong_labels_are_found_with_every_feature_in_its_place(
    real: Population, budget: float, most: float
) -> None:
    after = 0.85 * real.probability + 0.15 * (1.0 - real.probability)
    assert delays(real, after, budget).mean() <= most


@pytest.mark.parametrize(("budget", "most"), [(1_000, 8), (10_000, 10)])
def test_classes_that_swapped_their_meaning_are_found_within_ten_labels(
    real: Population, budget: float, most: float
) -> None:
    assert delays(real, 1.0 - real.probability, budget).mean() <= most


def test_a_coefficient_that_turned_is_found(raisin: Table, modelled: Population) -> None:
    theta = theta_of(modelled.z, raisin.y)
    perimeter = raisin.features.index("Perimeter")
    theta[perimeter] = -theta[perimeter]
    assert delays(modelled, sigmoid(logits(theta, modelled.z)), BUDGET).mean() <= 15


def test_a_model_that_was_once_wrong_where_it_was_sure_is_not_contradicted_by_the_next_time() -> None:
    """Raisin has two such rows, at logits of -11 and -14: without the share of tosses each of them is an alarm."""
    generator = np.random.default_rng(35)
    logit = generator.normal(0.0, 3.0, 400)
    y = drawn(sigmoid(logit), generator)
    logit[0], y[0] = -14.0, 1.0
    detector = ConceptDetector(fit_concept_reference(logit, y), BUDGET)
    assert detector.update(np.array([-14.0, -11.0]), np.ones(2)) is None
