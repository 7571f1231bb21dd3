from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.promotion.said import draw, duel_of, noisy
from trainer.promotion.coverage import ClassCoverage, LabelCoverage
from trainer.promotion.decision import PromotionDecision, read_decision
from trainer.promotion.duel import Duel
from trainer.promotion.error_spending import ERROR_RATE, level_of
from trainer.promotion.rule import decide, decide_alone, decide_without_candidate

Y, TRUTH = draw(2_000)
WORSE = noisy(TRUTH, 1.0)
BETTER = duel_of(Y, TRUTH, WORSE)
BEATEN = duel_of(Y, WORSE, TRUTH)


def with_p(duel: Duel, p_better: float) -> Duel:
    return msgspec.structs.replace(duel, difference=msgspec.structs.replace(duel.difference, p_better=p_better))


def expect(decision: PromotionDecision, *, promote: bool, says: str) -> None:
    assert decision.promote is promote
    assert says in decision.sentence
    assert decision.sentence.endswith(".")
    assert decision.rule_in_words


def test_an_answer_without_a_candidate_is_a_record_that_spends_nothing() -> None:
    found = decide_without_candidate("There are 3 labelled rows.", attempt=2)
    expect(found, promote=False, says="There are 3 labelled rows.")
    assert (found.rule, found.attempt, found.tested) == ("no_candidate", 2, False)
    assert msgspec.json.decode(found.encoded, type=PromotionDecision) == found


def test_the_first_valid_model_is_promoted() -> None:
    expect(decide_alone(0.9, "first_valid"), promote=True, says="Nothing is in production yet")
    for loss in (math.nan, math.inf):
        expect(decide_alone(loss, "first_valid"), promote=False, says="not valid")


def test_what_cannot_be_compared_is_said() -> None:
    expect(decide_alone(0.9, "no_comparison", "Production is lost."), promote=True, says="Production is lost.")
    expect(decide_alone(math.nan, "no_comparison", "Production is lost."), promote=False, says="not valid")


def test_the_significantly_better_one_is_promoted() -> None:
    found = decide(BETTER)
    expect(found, promote=True, says="The candidate is better than production (log-loss 0.4")
    assert (found.rule, found.level, found.judged) == ("judged_rows", ERROR_RATE, BETTER)


def test_a_lower_loss_alone_is_not_enough() -> None:
    y, truth = draw(60, seed=3)
    found = decide(duel_of(y, truth, noisy(truth, 0.3)))
    assert found.judged is not None
    assert found.judged.difference.difference < 0
    expect(found, promote=False, says="better than production, but not significantly")


def test_the_same_model_and_a_worse_one_are_not_better() -> None:
    for same in (TRUTH, TRUTH * (1 + 1e-15), TRUTH - 1e-14):
        expect(decide(duel_of(Y, TRUTH, same)), promote=False, says="not better than production")
    expect(decide(BEATEN), promote=False, says="not better than production")


@given(st.floats(0, 1), st.one_of(st.none(), st.integers(1, 30)))
def test_nothing_is_promoted_beyond_the_level_of_its_attempt(p: float, attempt: int | None) -> None:
    found = decide(with_p(BETTER, p), after_drift=attempt is not None, attempt=attempt)
    level = ERROR_RATE if attempt is None else level_of(attempt)
    assert found.promote == (p <= level)
    assert (found.level, found.attempt) == (level, attempt or 1)


def test_the_levels_of_all_attempts_never_exceed_the_error_rate() -> None:
    levels = [level_of(attempt) for attempt in range(1, 200)]
    assert sum(levels) <= ERROR_RATE
    assert levels == sorted(levels, reverse=True)


def test_production_without_a_finite_loss_cannot_defend_its_place() -> None:
    lost = np.full(2_000, np.nan)
    found = decide(duel_of(Y, TRUTH, lost))
    expect(found, promote=True, says="better than production, which has no finite log-loss")
    assert (found.rule, found.level) == ("unopposed", None)
    expect(decide(duel_of(Y, lost, TRUTH)), promote=False, says="not valid")
    expect(decide(duel_of(Y, lost, lost)), promote=False, says="not valid")


def test_too_few_rows_of_a_class_spend_no_error() -> None:
    y, logit = draw(400, seed=4)
    kept = np.flatnonzero((y == 0) | (np.cumsum(y) <= 9))
    found = decide(duel_of(y[kept], logit[kept], -logit[kept]), after_drift=True, attempt=2)
    expect(found, promote=False, says="count as 9 of the rarer class, and 10 are needed")
    assert not found.tested


def test_the_fixed_holdout_judges_unless_there_was_a_drift() -> None:
    y, logit = draw(1_000, seed=5)
    turned = duel_of(y, -logit, logit)
    found = decide(BETTER, turned)
    expect(found, promote=False, says="significantly worse on the fixed holdout")
    assert (found.rule, found.fixed_holdout_judges) == ("judged_rows_and_fixed_holdout", True)
    reported = decide(BETTER, turned, after_drift=True, attempt=1)
    expect(reported, promote=True, says="better than production")
    assert (reported.fixed_holdout, reported.fixed_holdout_judges) == (turned, False)


def test_a_little_worse_on_the_fixed_holdout_is_no_objection() -> None:
    y, logit = draw(100, seed=6)
    little = duel_of(y, logit, noisy(logit, 0.2, seed=7))
    assert little.difference.difference > 0
    expect(decide(BETTER, little), promote=True, says="better than production")


def test_a_candidate_whose_probabilities_are_worse_calibrated_is_refused() -> None:
    blunt = 0.65 * noisy(TRUTH, 1.2)
    found = decide(duel_of(Y, TRUTH + 0.6, blunt))
    expect(found, promote=False, says="has the lower log-loss")
    assert "significantly worse calibrated: recalibration would save 0.0" in found.sentence


def test_a_candidate_that_misses_more_of_class_1_is_refused() -> None:
    found = decide(duel_of(Y, TRUTH, WORSE, thresholds=(0.75, 0.5)))
    expect(found, promote=False, says="its recall at its own threshold is significantly lower: 0.")
    assert "another operating point may mend it" in found.sentence


def test_after_a_drift_the_recall_of_what_calls_too_much_class_1_is_no_benchmark() -> None:
    alarmed = TRUTH + 1.0
    strict = decide(duel_of(Y, TRUTH, alarmed))
    expect(strict, promote=False, says="recall at its own threshold is significantly lower")
    excused = decide(duel_of(Y, TRUTH, alarmed, after_drift=True), after_drift=True, attempt=1)
    expect(excused, promote=True, says="recall is lower, but the mean of recall and specificity is not")


def test_the_recall_of_what_calls_nearly_everything_class_1_never_is() -> None:
    expect(
        decide(duel_of(Y, TRUTH, TRUTH + 4.0)),
        promote=True,
        says="but the mean of recall and specificity is not",
    )


def test_uneven_labels_are_said() -> None:
    warning = "Labels came for 90% of the rows that production predicts to be class 1 and for 5% of the others."
    coverage = LabelCoverage(200, 95, 0.475, (ClassCoverage(0, 100, 5), ClassCoverage(1, 100, 90)), warning)
    found = decide(BETTER, coverage=coverage)
    expect(found, promote=True, says=warning)
    assert found.coverage == coverage
    assert "Labels that exist only for records that were acted on" in found.assumption


def test_weighted_rows_are_called_so() -> None:
    weighted = duel_of(Y, TRUTH, WORSE, weights=np.full(2_000, 2.0))
    expect(decide(weighted), promote=True, says="on the 2000 judged rows, weighted")


def test_a_record_is_json_even_where_figures_are_not_finite() -> None:
    for duel in (BETTER, duel_of(Y, TRUTH, np.full(2_000, np.nan)), duel_of(Y[:1], TRUTH[:1], WORSE[:1])):
        record = msgspec.json.decode(decide(duel, duel).encoded)
        assert {"promote", "sentence", "rule", "level", "attempt", "judged", "assumption"} <= set(record)
        assert record["judged"]["candidate"]["log_loss"] == pytest.approx(duel.candidate.log_loss)


def test_a_record_of_figures_that_are_not_finite_reads_back() -> None:
    nowhere = np.full(2_000, np.nan)
    for duel in (duel_of(Y[:1], TRUTH[:1], WORSE[:1]), duel_of(Y, TRUTH, nowhere), duel_of(Y, nowhere, TRUTH)):
        decision = decide(duel, duel)
        found = read_decision(decision.encoded)
        assert found.encoded == decision.encoded
        assert found.judged is not None
        assert (found.sentence, found.judged.candidate.rows) == (decision.sentence, duel.candidate.rows)
        assert np.isnan(found.judged.difference.low)
        assert found.judged.candidate_intervals is None
    with pytest.raises(msgspec.MsgspecError):
        read_decision(b'{"promote": null}')
    with pytest.raises(msgspec.MsgspecError):
        read_decision(decide(BETTER).encoded[:-30])


def test_a_whole_record_reads_back() -> None:
    found = decide(BETTER, BEATEN, after_drift=True, attempt=3)
    assert msgspec.json.decode(found.encoded, type=PromotionDecision) == found
