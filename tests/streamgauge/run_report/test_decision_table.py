"""The decision beside production, as the page tells it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.miniflow import Run
from streamgauge.run_report.decision_table import decision_section
from streamgauge.run_report.page import report_page
from streamgauge.run_report.words import card_words
from tests.streamgauge.run_report.logged_runs import drawn_table, facts_of, logged
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision
from trainer.promotion.duel import duel
from trainer.promotion.rule import decide


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return logged(tmp_path, drawn_table())


def decision_on(run: Run) -> PromotionDecision:
    facts = facts_of(run)
    both = duel(facts.file, facts.file, facts.holdout)
    return decide(both, both)


def test_the_guardrails_stand_with_what_they_found(run: Run) -> None:
    decision = decision_on(run)
    told = decision_section(decision)
    assert decision.judged is not None
    calibration, recall = decision.judged.guardrails
    for guardrail in (calibration, recall):
        assert f"<td>{guardrail.figure}</td><td class='n'>{guardrail.candidate:.4f}</td>" in told
    assert told.count("no interval") >= 1  # two equal models: every resample has the same difference
    assert "<span class='whole'>p = 1</span>" in told


def test_the_sentence_of_the_head_is_not_repeated(run: Run) -> None:
    decision = decision_on(run)
    run.write_artifact(DECISION_ARTIFACT, decision.encoded)
    run.finish("refused", decision.sentence)
    assert report_page(facts_of(run)).count(decision.sentence) == 1
    run.finish("superseded", "Production changed.")
    assert report_page(facts_of(run)).count(decision.sentence) == 1


def test_rows_that_did_not_judge_are_told_and_not_called_unseen(run: Run) -> None:
    known = msgspec.structs.replace(decision_on(run), copies=7, fixed_holdout_known=9, fixed_holdout_seen=True)
    told = decision_section(known)
    assert "7 held-out rows, copies of rows that trained this run." in told
    assert "9 rows of production" in told
    assert "may have been trained on its own holdout" in told
    run.write_artifact(DECISION_ARTIFACT, known.encoded)
    judged = dict(card_words(facts_of(run)))["Judged on"]
    assert "7 of them are copies of rows that trained" in judged
    assert "neither trained" not in judged
