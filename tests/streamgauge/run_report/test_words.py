"""What a report says is true of the run that it is about."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest

from core.miniflow import Run
from core.threshold_rule import ThresholdRule
from streamgauge.run_report.page import report_page
from streamgauge.run_report.words import card_words, shown
from tests.streamgauge.run_report.logged_runs import drawn_table, facts_of, log, logged
from trainer.decision import Choices
from trainer.fit import fit
from trainer.metrics.bootstrap import Interval
from trainer.out_of_sample import OUT_OF_SAMPLE_ARTIFACT
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.newton import Newton

F1 = Choices("none", ThresholdRule("f1"))


def words_of(run: Run) -> dict[str, str]:
    return dict(card_words(facts_of(run)))


def test_balanced_classes_promise_no_share(tmp_path: Path) -> None:
    solver = BalancedClasses(Newton())
    for kind in ("none", "temperature"):
        words = words_of(logged(tmp_path / kind, drawn_table(), solver=solver, choices=Choices(kind)))
        assert "not a share" in words["Intended use"]
    words = words_of(logged(tmp_path / "platt", drawn_table(), solver=solver, choices=Choices("platt")))
    assert "meant as a share" in words["Intended use"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"unseen": False, "holdout": None}, "is not known"),
        ({"unseen": True, "holdout": None}, "as who imported it said"),
        ({"unseen": False, "holdout": "other.csv"}, "as who imported it said"),
    ],
)
def test_an_imported_model_is_not_said_to_have_been_trained_here(
    tmp_path: Path, said: dict[str, bool | str | None], words: str
) -> None:
    fitted = fit(drawn_table(), seed=1, ordered=False, blocks=16)
    told = words_of(log(tmp_path, fitted, {"imported": "theirs.json", **said}))
    assert words in told["Judged on"]
    assert "Training data" not in told
    assert "imported from the file theirs.json" in told["Model"]
    assert "optimum" not in told["Model"]


def test_held_out_rows_that_chose_the_threshold_are_said_to(tmp_path: Path) -> None:
    run = logged(tmp_path, drawn_table(), choices=F1)
    assert "neither trained, calibrated nor chose" in words_of(run)["Judged on"]
    (run.directory / "artifacts" / OUT_OF_SAMPLE_ARTIFACT).unlink()
    assert "They chose the threshold too" in words_of(run)["Judged on"]


def test_a_rule_that_was_missed_is_not_said_to_be_kept(tmp_path: Path) -> None:
    table = drawn_table()
    table.x[:, :2] = 0.0
    table.x[::2, 0] = 1.0  # tells nothing of the class
    run = logged(tmp_path, table, choices=Choices("none", ThresholdRule("precision", least=0.99), otherwise=0.4))
    words = words_of(run)["Operating point"]
    assert "The threshold 0.4 is kept, because" in words


def test_the_reason_of_the_operating_point_is_the_choices_own(tmp_path: Path) -> None:
    rule = ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0)
    run = logged(tmp_path, drawn_table(), choices=Choices("none", rule))
    facts = facts_of(run)
    assert facts.card.operating_point is not None
    assert dict(card_words(facts))["Operating point"] == facts.card.operating_point.reason
    assert escape(facts.card.operating_point.reason) in report_page(facts)


def test_few_rows_are_said_beside_the_figures(tmp_path: Path) -> None:
    page = report_page(facts_of(logged(tmp_path, drawn_table(60))))
    assert "held-out rows only: figures of it are mostly chance" in page.split("How it judges")[0]


def test_the_floor_stands_beside_the_calibration_error(tmp_path: Path) -> None:
    assert "a perfect model has" in report_page(facts_of(logged(tmp_path, drawn_table())))


def test_a_small_figure_is_not_said_to_be_nothing() -> None:
    assert shown(0.00031, Interval(0.00031, 0.0, 0.0009)) == "0.0003 (0.0000 to 0.0009)"
    assert shown(0.99391, Interval(0.99391, 0.99362, 0.99422)) == "0.9939 (0.9936 to 0.9942)"
    assert shown(0.0) == "0.000"
    assert shown(1e-9) == "0.000000"


def test_a_retrained_run_says_of_which_records_its_rows_are(tmp_path: Path) -> None:
    fitted = fit(drawn_table(), seed=1, ordered=False, blocks=16)
    told = words_of(log(tmp_path, fitted, {"csv": None, "rows_seen": 830}))
    assert "Those with a label among 830 sampled records of the stream" in told["Training data"]
