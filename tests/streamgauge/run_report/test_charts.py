"""Pictures that a reader may believe: of many rows, of a rare class, at any cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from core.threshold_rule import ThresholdRule
from streamgauge.run_report.chart import thinned
from streamgauge.run_report.judging_charts import draw_cost, draw_precision_recall
from streamgauge.run_report.page import report_page
from streamgauge.run_report.probability_axis import ProbabilityAxis
from tests.streamgauge.run_report.logged_runs import drawn_table, facts_of, logged
from trainer.decision import Choices
from trainer.metrics.ranking import precision_recall_curve
from trainer.operating_point import sweep
from trainer.solvers.stochastic_gradient_descent import StochasticGradientDescent


def test_a_curve_of_many_rows_keeps_what_a_rare_class_has_to_tell() -> None:
    # by number every 500th row is drawn, and the first of them is past a tenth of the rare class
    generator = np.random.default_rng(3)
    logit = 1.8 * generator.normal(size=200_000) - 7.0
    y = (logit + generator.logistic(size=200_000) > 0).astype(np.uint8)
    curve = precision_recall_curve(y, 1 / (1 + np.exp(-logit)))
    assert curve is not None
    places = thinned(curve.recall, curve.precision)
    recall, precision = curve.recall[places], curve.precision[places]
    assert len(places) <= 400
    assert np.abs(np.diff(recall)).max() < 0.02
    # a step is level up to the next point drawn: nowhere is it far from what it stands for
    drawn = precision[np.searchsorted(-recall, -curve.recall, side="left")]
    assert np.abs(drawn - curve.precision)[curve.recall > 0.05].max() < 0.05
    assert float(np.abs(np.diff(recall)) @ precision[:-1]) == pytest.approx(
        float(np.abs(np.diff(curve.recall)) @ curve.precision[:-1]), abs=0.01
    )


def test_a_flat_curve_is_thinned_too() -> None:
    places = thinned(np.arange(1_000.0), np.ones(1_000))
    assert (places[0], places[-1]) == (0, 999)
    assert np.diff(places).max() <= 3


@pytest.mark.parametrize("sign", [-1, 1])
def test_probabilities_that_crowd_at_one_end_lie_apart(sign: int) -> None:
    logit = sign * (6.0 + np.random.default_rng(1).normal(size=500))
    probability = 1 / (1 + np.exp(-logit))
    axis = ProbabilityAxis.of(probability, 0.5)
    assert axis.by_log_odds
    counts, _ = np.histogram(axis.within(probability), axis.grid(21))
    assert counts.sum() == 500
    assert counts.max() < 300
    assert axis.low < 0.5 < axis.high  # the threshold is on the axis, wherever the rows are


def test_an_even_axis_is_kept_where_it_shows_the_rows() -> None:
    both_ends = np.repeat([0.01, 0.99], 50)
    for probability in (np.linspace(0, 1, 50), both_ends):
        axis = ProbabilityAxis.of(probability, 0.0)
        assert (axis.low, axis.high, axis.by_log_odds) == (0.0, 1.0, False)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_an_end_is_drawn_on_an_axis_in_log_odds(threshold: float) -> None:
    axis = ProbabilityAxis.of(np.full(20, 0.001), threshold)
    grid = axis.grid(201)
    assert ((grid > 0) & (grid < 1)).all()
    assert (np.diff(grid) > 0).all()
    assert (axis.within(np.array([threshold])) > 0).all()


@pytest.mark.parametrize("offset", [0.0, -6.0])
def test_the_cost_that_is_drawn_is_that_of_the_rows(tmp_path: Path, offset: float) -> None:
    rule = ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0)
    facts = facts_of(logged(tmp_path, drawn_table(2_000, offset=offset), choices=Choices("none", rule)))
    axes = Figure().subplots()
    draw_cost(axes, facts)
    curve, _, point = axes.lines
    for line in (curve, point):
        thresholds, costs = np.asarray(line.get_xydata()).T
        expected = [row.cost for row in sweep(facts.holdout.y, facts.probability, thresholds.tolist(), rule)]
        assert costs.tolist() == pytest.approx(expected)
    assert np.asarray(point.get_xydata())[0, 0] == facts.model.threshold


def test_a_rare_class_is_seen(tmp_path: Path) -> None:
    page = report_page(facts_of(logged(tmp_path, drawn_table(4_000, offset=-6.0))))
    assert "threshold, even in log-odds<" in page
    assert "mean of a tenth of the rows" in page
    assert "is yes: 4 rows<" in page
    assert ">chance, 0.00" in page
    assert ">chance, 0.00<" not in page


def test_the_learning_curve_says_whose_loss_it_is(tmp_path: Path) -> None:
    plain = report_page(facts_of(logged(tmp_path / "a", drawn_table())))
    assert "held-out rows<" in plain.split("<h3>Learning curve")[1].split("<h3>")[0]
    solver = StochasticGradientDescent(max_steps=20, patience=3)
    page = report_page(facts_of(logged(tmp_path / "b", drawn_table(), solver=solver)))
    assert "training rows kept to stop by<" in page.split("<h3>Learning curve")[1].split("<h3>")[0]


def test_precision_begins_with_that_of_the_surest_row(tmp_path: Path) -> None:
    facts = facts_of(logged(tmp_path, drawn_table()))
    surest = int(np.argmax(facts.probability))
    facts.holdout.y[surest] = 0  # so that no threshold has precision 1 at recall 0
    axes = Figure().subplots()
    draw_precision_recall(axes, facts)
    recall, precision = next(line for line in axes.lines if "average" in str(line.get_label())).get_data()
    assert (np.asarray(recall)[-1], np.asarray(precision)[-1]) == (0.0, 0.0)
