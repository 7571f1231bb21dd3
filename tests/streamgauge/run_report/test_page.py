"""The report of a run: whole in one file, with the figures that the run was judged by."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError, UnknownRun
from core.miniflow import MiniFlow
from streamgauge.run_report.facts import read_facts
from streamgauge.run_report.page import report_page
from tests.streamgauge.run_report.logged_runs import HOSTILE, drawn_table, facts_of, log, logged
from trainer.decision import Choices
from trainer.fit import fit
from trainer.holdout import HOLDOUT_ARTIFACT
from trainer.model_card import MODEL_CARD_ARTIFACT
from trainer.solvers.gradient_descent import GradientDescent
from trainer.split import Split
from trainer.table import Table

PICTURES = (
    "ROC",
    "Precision and recall",
    "Reliability",
    "Cost of each threshold",
    "Probabilities by class",
    "Learning curve",
    "Coefficients",
    "Contributions to the held-out rows",
)
Command = Callable[..., subprocess.CompletedProcess[str]]


class Checked(HTMLParser):
    """What a browser would load, and whether every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        links = ("src", "href", "xlink:href", "data", "action")
        self.loaded += [value or "" for name, value in attrs if name in links]
        if tag not in {"meta", "br", "img", "link", "!doctype"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_whole(page: str) -> None:
    """Well-formed, with every picture inside, and nothing that is loaded from elsewhere."""
    checked = Checked(page)
    assert checked.open == []
    assert checked.tags.count("svg") == len(PICTURES)
    assert "script" not in checked.tags
    assert "link" not in checked.tags
    assert all(re.match(r"#|data:", link) for link in checked.loaded), checked.loaded
    assert "url(http" not in page
    assert "@import" not in page
    for title in PICTURES:
        assert f'aria-label="{title}"' in page


def test_a_page_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    page = report_page(facts_of(logged(tmp_path, drawn_table())))
    assert_whole(page)
    assert "Without variance in training, and so without any say: still." in page


def test_the_figures_are_those_of_the_card(tmp_path: Path) -> None:
    run = logged(tmp_path, drawn_table())
    facts = facts_of(run)
    card = facts.card
    assert facts.evaluation == card.validation
    page = report_page(facts)
    assert f"<b>{card.validation.log_loss:.3f}</b>" in page
    assert f"<b>{card.validation.true_positives:,}</b>" in page
    for name, weight in card.coefficients.items():
        assert f"<td>{name}</td><td class='n'>{weight:.4g}</td>" in page


def test_names_of_other_peoples_making_are_text(tmp_path: Path) -> None:
    table = drawn_table(names=(HOSTILE, "$_$", "a&b"))
    hostile = Table(table.features, table.x, table.y, ("<b>", HOSTILE))
    page = report_page(facts_of(logged(tmp_path, hostile)))
    assert_whole(page)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_equal_runs_give_equal_pages(tmp_path: Path) -> None:
    facts = facts_of(logged(tmp_path, drawn_table()))
    assert report_page(facts) == report_page(facts)


def test_reliability_shows_both_sides_of_a_calibration(tmp_path: Path) -> None:
    plain = report_page(facts_of(logged(tmp_path / "a", drawn_table())))
    page = report_page(facts_of(logged(tmp_path / "b", drawn_table(), choices=Choices("platt"))))
    assert "before calibration<" not in plain
    assert "before calibration<" in page
    assert "after platt<" in page


def test_the_learning_curve_has_a_point_a_step(tmp_path: Path) -> None:
    run = logged(tmp_path, drawn_table(), solver=GradientDescent(max_steps=7))
    facts = facts_of(run)
    assert sum("objective" in line.metrics for line in facts.history) == 7
    assert f"step of {facts.card.solver}<" in report_page(facts)


def test_holdouts_of_one_class_are_said(tmp_path: Path) -> None:
    table = drawn_table(100)
    ones = np.flatnonzero(table.y == 1)
    split = Split(np.setdiff1d(np.arange(100), ones[:5]), ones[:5])
    run = log(tmp_path, fit(table, seed=1, split=split, ordered=False, blocks=16))
    page = report_page(facts_of(run))
    assert page.count("the held-out rows are of one class") == 1  # a precision without negatives is 1
    assert "One class has 0 held-out rows only" in page


def test_a_run_without_its_parts_says_which(tmp_path: Path) -> None:
    run = logged(tmp_path, drawn_table())
    model = MiniFlow(tmp_path, "default").model(run.run_id)
    (run.directory / "artifacts" / MODEL_CARD_ARTIFACT).write_bytes(b"{")
    with pytest.raises(DataError, match="damaged model card"):
        read_facts(run, model)
    (run.directory / "artifacts" / HOLDOUT_ARTIFACT).unlink()
    with pytest.raises(UnknownRun, match=r"no artifact holdout\.npz"):
        read_facts(run, model)


def test_the_command_writes_the_page_of_production_or_of_a_run(
    run: Command, small_csv: Path, tmp_path: Path
) -> None:
    answer = run("fit", small_csv, "--label", "good", "--json")
    assert answer.returncode == 0, answer.stderr
    run_id = json.loads(answer.stdout)["run_id"]
    page = tmp_path / "page.html"
    for arguments in ((), (run_id,)):
        answer = run("report", *arguments, "--out", page)
        assert (answer.returncode, answer.stdout) == (0, f"{page} is written\n"), answer.stderr
        assert_whole(page.read_text(encoding="utf-8"))
        assert "Beside production" in page.read_text(encoding="utf-8")
        page.unlink()
    second = json.loads(run("fit", small_csv, "--label", "good", "--seed", "3", "--json").stdout)
    assert run("report", second["run_id"], "--out", page).returncode == 0
    beside = page.read_text(encoding="utf-8").split("Beside production")[1]
    assert f"run {run_id}" in beside
    assert "Log-loss of this run less production" in beside
    answer = run("report", "--out", tmp_path / "no" / "page.html")
    assert answer.returncode != 0
    assert answer.stderr.count("\n") == 1
    assert "choose another --out" in answer.stderr


def test_a_run_that_is_not_there_is_refused_in_a_sentence(run: Command, small_csv: Path) -> None:
    assert run("fit", small_csv, "--label", "good").returncode == 0
    answer = run("report", "0123456789ab")
    assert answer.returncode != 0
    assert answer.stderr.count("\n") == 1
    assert "0123456789ab" in answer.stderr
