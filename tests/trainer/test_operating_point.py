"""The operating point: every rule against a search over all cuts, and ties as the docs say."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from core.errors import DataError
from core.model import Floats, sigmoid
from core.threshold_rule import EVEN, ThresholdRule
from trainer.calibration.isotonic import fit_isotonic
from trainer.calibration.platt import fit_platt
from trainer.operating_point import (
    SWEEP,
    OperatingPoint,
    best_threshold,
    choose_operating_point,
    given_operating_point,
    sweep,
)
from trainer.out_of_sample import OutOfSample
from trainer.table import Labels

F1, YOUDEN = ThresholdRule("f1"), ThresholdRule("youden")
COST = ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0)
RECALL, PRECISION = ThresholdRule("recall", least=0.8), ThresholdRule("precision", least=0.6)
RULES = pytest.mark.parametrize("rule", [F1, YOUDEN, COST, RECALL, PRECISION], ids=lambda rule: rule.by)

_ROWS = st.lists(
    st.tuples(st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1)), st.integers(0, 1)),
    min_size=2,
    max_size=25,
).filter(lambda rows: len({y for _, y in rows}) == 2)


def columns(rows: list[tuple[float, int]]) -> tuple[Labels, Floats]:
    return np.array([y for _, y in rows], dtype=np.uint8), np.array([p for p, _ in rows])


def worth(y: Labels, probability: Floats, threshold: float, rule: ThresholdRule) -> float:
    """What a rule wants to be great, by scikit-learn; -inf where it is not met or undefined."""
    predicted = (probability >= threshold).astype(np.uint8)
    tn, fp, fn, tp = map(float, metrics.confusion_matrix(y, predicted, labels=[0, 1]).ravel())
    recall = tp / (tp + fn)
    precision = tp / (tp + fp) if tp + fp else None
    if rule.by == "cost":
        return -(120.0 * fn + 18.0 * fp)
    if rule.by == "f1":
        return 2 * tp / (2 * tp + fp + fn)
    if rule.by == "youden":
        return recall + tn / (tn + fp) - 1
    if rule.by == "recall":
        return -np.inf if recall < 0.8 or precision is None else precision
    return -np.inf if precision is None or precision < 0.6 else recall


@RULES
@given(rows=_ROWS)
def test_no_threshold_is_better(rule: ThresholdRule, rows: list[tuple[float, int]]) -> None:
    y, p = columns(rows)
    every = [*np.unique(p).tolist(), 0.0, 1.0, 0.5]
    best = max(worth(y, p, threshold, rule) for threshold in every)
    if best == -np.inf:
        with pytest.raises(DataError, match="lower min_precision"):
            best_threshold(y, p, rule)
        return
    found = best_threshold(y, p, rule)
    assert 0 <= found <= 1
    assert worth(y, p, found, rule) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "rule", "expected"),
    [
        # separated: every threshold between .2 and .9 is perfect, and .5 is one of them
        ([(0.1, 0), (0.2, 0), (0.9, 1)], F1, 0.5),
        # separated beyond .5: half-way
        ([(0.1, 0), (0.7, 0), (0.9, 1)], YOUDEN, 0.8),
        # by cost the neutral threshold is 18 / 138
        ([(0.1, 0), (0.9, 1)], COST, 18 / 138),
        # equally good at 0, .5 and 1
        ([(0.25, 1), (0.375, 0), (0.625, 1), (0.75, 0)], ThresholdRule("cost", cost_fn=1.0, cost_fp=1.0), 0.5),
        # everything is class 1, nothing is
        ([(0.6, 1), (0.7, 1), (0.8, 0)], ThresholdRule("cost", cost_fn=99.0, cost_fp=1.0), 0.01),
        ([(0.6, 1), (0.7, 0), (0.8, 0)], ThresholdRule("cost", cost_fn=1.0, cost_fp=99.0), 0.99),
        # recall 1 with the best precision
        ([(0.1, 0), (0.3, 1), (0.6, 0), (0.9, 1)], ThresholdRule("recall", least=1.0), 0.2),
        ([(0.1, 0), (0.3, 1), (0.6, 0), (0.9, 1)], ThresholdRule("precision", least=1.0), 0.75),
    ],
)
def test_of_equally_good_thresholds_the_nearest_to_the_neutral_one_is_taken(
    rows: list[tuple[float, int]], rule: ThresholdRule, expected: float
) -> None:
    assert best_threshold(*columns(rows), rule) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("first", "expected"), [(0.3125, 0.625), (0.25, 0.5625)])
def test_of_two_as_near_the_higher_is_taken(first: float, expected: float) -> None:
    """recall + specificity - 1 is .5 after the first row and before the last one, 0 between."""
    y = np.array([0, 1, 0, 1], dtype=np.uint8)
    assert best_threshold(y, first + np.arange(4) / 8, YOUDEN) == expected


def test_neighbouring_floats_are_told_apart() -> None:
    low = 0.6
    high = float(np.nextafter(low, 1))
    y, p = columns([(low, 0), (high, 1)])
    assert low < best_threshold(y, p, F1) <= high


def test_a_fixed_threshold_is_as_given() -> None:
    y, p = columns([(0.1, 0), (0.9, 1)])
    assert best_threshold(y, p, ThresholdRule("fixed", 0.123)) == 0.123


def test_rows_of_one_class_have_no_best_threshold() -> None:
    y, p = np.zeros(4, dtype=np.uint8), np.linspace(0.1, 0.9, 4)
    for rule in (YOUDEN, RECALL):
        with pytest.raises(DataError, match="of one class"):
            best_threshold(y, p, rule)
    with pytest.raises(DataError, match="give at least one"):
        best_threshold(y[:0], p[:0], F1)


def test_a_precision_out_of_reach_says_what_is_within() -> None:
    y, p = columns([(0.2, 1), (0.4, 0), (0.6, 1), (0.8, 0)])
    with pytest.raises(DataError, match=r"no threshold has a precision of 0\.9 .* the best is 0\.500, so lower"):
        best_threshold(y, p, ThresholdRule("precision", least=0.9))


def drawn(n: int = 400, seed: int = 0) -> tuple[Labels, Floats]:
    generator = np.random.default_rng(seed)
    p = generator.beta(1, 2, n)
    return (generator.random(n) < p).astype(np.uint8), p


def test_a_sweep_has_the_figures_of_scikit_learn() -> None:
    y, p = drawn()
    rows = sweep(y, p, rule=COST)
    assert tuple(row.threshold for row in rows) == SWEEP == (0.2, 0.35, 0.5, 0.65, 0.8)
    for row in rows:
        predicted = p >= row.threshold
        counts = [row.true_negatives, row.false_positives, row.false_negatives, row.true_positives]
        assert counts == metrics.confusion_matrix(y, predicted).ravel().tolist()
        assert row.f1 == pytest.approx(metrics.f1_score(y, predicted), abs=1e-12)
        assert row.mcc == pytest.approx(metrics.matthews_corrcoef(y, predicted), abs=1e-12)
        assert row.cost == pytest.approx((120 * row.false_negatives + 18 * row.false_positives) / len(y))
    assert [row.cost for row in sweep(y, p)] == [None] * 5


def of_probability(y: Labels, p: Floats, weights: Floats | None = None) -> OutOfSample:
    """Rows whose logits stand for ``p``."""
    with np.errstate(divide="ignore"):
        logit = np.clip(np.log(p) - np.log1p(-p), -30, 30)
    return OutOfSample.of(logit, y, 0, weights)


@RULES
def test_figures_on_rows_that_did_not_choose_are_no_better_on_average(rule: ThresholdRule) -> None:
    """Over many draws; on one a fold's own threshold may be the luckier."""
    inside: list[float] = []
    outside: list[float] = []
    for seed in range(40):
        point = choose_operating_point(of_probability(*drawn(200, seed)), None, rule)
        assert point.figures is not None
        assert point.cross_validated is not None
        for found, where in ((point.figures, inside), (point.cross_validated, outside)):
            costs, rates = -(found.cost or 0.0), (found.recall or 0.0) + (found.specificity or 0.0)
            where.append({"cost": costs, "f1": found.f1 or 0.0}.get(rule.by, rates))
    assert np.mean(outside) <= np.mean(inside) + 1e-12


def test_the_threshold_cuts_the_probabilities_that_are_deployed() -> None:
    """Not those of the folds, whose order is another one."""
    generator = np.random.default_rng(1)
    logit = generator.normal(scale=2, size=1_000)
    y = (generator.random(1_000) < np.where(logit < -1, 0.05, np.where(logit < 1, 0.5, 0.6))).astype(np.uint8)
    staircase, rule = fit_isotonic(logit, y), ThresholdRule("recall", least=0.9)
    point = choose_operating_point(OutOfSample.of(logit, y, 0), staircase, rule, fit_isotonic)
    assert point.threshold == best_threshold(y, staircase.apply(logit), rule)
    assert point.figures is not None
    reached = staircase.apply(logit) >= point.threshold
    assert point.figures.recall == reached[y == 1].mean() >= 0.9


@pytest.mark.parametrize("rule", [F1, ThresholdRule("fixed", 0.7)], ids=lambda rule: rule.by)
def test_cross_validated_figures_are_of_maps_and_thresholds_without_the_fold(rule: ThresholdRule) -> None:
    generator = np.random.default_rng(2)
    logit = generator.normal(scale=2, size=300)
    y = (generator.random(300) < sigmoid(0.4 * logit + 1)).astype(np.uint8)
    rows = OutOfSample.of(logit, y, 0)
    whole = fit_platt(logit, y)
    point = choose_operating_point(rows, whole, rule, fit_platt)
    reached = np.empty(300, dtype=np.bool_)
    for fold in range(5):
        own = rows.folds == fold
        others = fit_platt(logit[~own], y[~own])
        threshold = best_threshold(y[~own], others.apply(logit[~own]), rule)
        reached[own] = others.apply(logit[own]) >= threshold
    assert point.cross_validated is not None
    assert point.cross_validated.accuracy == (reached == (y == 1)).mean()
    assert (reached != (whole.apply(logit) >= point.threshold)).any()


def test_the_least_cost_is_taken_only_where_it_saves_more_than_chance() -> None:
    """Where probabilities are true the neutral threshold is best (Elkan 2001); the least of 180 rows is chance."""
    neutral, taken, followed = 18 / 138, 0, 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        logit = generator.normal(scale=2.5, size=180)
        y = (generator.random(180) < sigmoid(logit)).astype(np.uint8)
        point = choose_operating_point(OutOfSample.of(logit, y, 0), None, COST)
        assert point.neutral == neutral
        taken += point.threshold == neutral
        followed += best_threshold(y, sigmoid(logit), COST) != neutral
    assert taken >= 34
    assert followed >= 34  # by itself the least cost would follow the rows


def test_the_least_cost_is_taken_where_probabilities_are_wrong() -> None:
    generator = np.random.default_rng(0)
    logit = generator.normal(scale=2.5, size=2_000)
    y = (generator.random(2_000) < sigmoid(logit - 3)).astype(np.uint8)  # as with balanced class weights
    point = choose_operating_point(OutOfSample.of(logit, y, 0), None, COST)
    assert point.threshold > 0.4
    assert "it saves" in point.reason
    assert "against the neutral 0.13" in point.reason


def test_the_size_of_the_costs_is_their_unit() -> None:
    y, p = columns([(0.1, 0), (0.2, 0), (0.3, 1), (0.4, 1)])
    for unit in (1.0, 1e-13, 1e13):
        assert best_threshold(y, p, ThresholdRule("cost", cost_fn=unit, cost_fp=unit)) == 0.25


def test_weights_choose_as_copies_would() -> None:
    y, p = drawn()
    times = np.random.default_rng(5).integers(1, 4, len(y))
    for rule in (F1, YOUDEN, COST, RECALL, PRECISION):
        weighed = best_threshold(y, p, rule, times.astype(np.float64))
        assert weighed == best_threshold(np.repeat(y, times), np.repeat(p, times), rule)
    heavy = np.where(y == 1, 9.0, 1.0)
    assert best_threshold(y, p, F1, heavy) < best_threshold(y, p, F1)
    point = choose_operating_point(of_probability(y, p, heavy), None, F1)
    (row,) = sweep(y, p, (point.threshold,), weights=heavy)
    assert point.figures == row
    assert row.true_positives + row.false_negatives == int(y.sum())  # counts are of rows
    assert row.precision != pytest.approx(row.true_positives / (row.true_positives + row.false_positives))


def test_a_minimum_is_met_by_weights_that_add_up_to_less() -> None:
    """Eight of ten rows of weight .1 have a recall that is rounded below .8."""
    p = np.linspace(0.05, 0.95, 10)
    y = np.ones(10, dtype=np.uint8)
    rule = ThresholdRule("recall", least=0.8)
    assert best_threshold(y, p, rule, np.full(10, 0.1)) == best_threshold(y, p, rule)


def test_a_rule_out_of_reach_keeps_the_threshold_that_stands_in() -> None:
    y, p = columns([(0.2, 1), (0.4, 0), (0.6, 1), (0.8, 0)] * 5)
    rule = ThresholdRule("precision", least=0.9)
    with pytest.raises(DataError, match="lower min_precision"):
        choose_operating_point(of_probability(y, p), None, rule)
    point = choose_operating_point(of_probability(y, p), None, rule, otherwise=0.7)
    assert (point.threshold, point.rule, point.cross_validated) == (0.7, rule, None)
    assert point.missed is not None
    assert "lower min_precision" in point.missed


def test_the_operating_point_tells_its_rule_and_reads_back() -> None:
    point = choose_operating_point(of_probability(*drawn()), None, COST)
    assert point.figures is not None
    assert (point.rule, point.rows, point.figures.threshold) == (COST, 400, point.threshold)
    assert msgspec.json.decode(msgspec.json.encode(point), type=OperatingPoint) == point
    fixed = choose_operating_point(of_probability(*drawn()), None, EVEN)
    assert fixed.threshold == 0.5
    assert fixed.cross_validated == fixed.figures  # nothing was chosen
    given = given_operating_point(ThresholdRule("fixed", 0.3))
    assert (given.threshold, given.rows, given.figures) == (0.3, 0, None)


def test_folds_without_a_threshold_have_no_cross_validated_figures() -> None:
    y, p = columns([(0.1, 0), (0.2, 0), (0.3, 0), (0.9, 1)])
    assert choose_operating_point(of_probability(y, p), None, YOUDEN).cross_validated is None
