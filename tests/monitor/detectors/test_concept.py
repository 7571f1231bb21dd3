"""The concept detector; ``make bench-drift`` measures its run lengths at length."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.concept_reference import ConceptReference, fit_concept_reference
from core.errors import SettingsError
from core.model import Floats, sigmoid
from monitor.detectors import concept
from monitor.detectors.concept import ConceptDetector, ConceptState, Sums
from monitor.detectors.concept_alternatives import likelihood_ratios

BUDGET = 1_000


def drawn(rows: int, seed: int, centre: float = 0.0) -> tuple[Floats, Floats]:
    """Logits and outcomes of a model that means what it says."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(centre, 2.0, rows)
    return logit, (generator.random(rows) < sigmoid(logit)).astype(float)


@pytest.fixture(scope="module")
def reference() -> ConceptReference:
    return fit_concept_reference(*drawn(180, 0))


def labels_until_the_alarm(detector: ConceptDetector, logit: Floats, y: Floats) -> int:
    """Labels up to the alarm; -1 where there is none."""
    index = detector.update(logit, y)
    return -1 if index is None else index + 1


def test_estimated_references_keep_the_budget() -> None:
    kept = 0
    for number in range(20):
        detector = ConceptDetector(fit_concept_reference(*drawn(180, 1_000 + number)), BUDGET)
        alarms, (logit, y) = 0, drawn(10 * BUDGET, 2_000 + number)
        start = 0
        while (index := detector.update(logit[start:], y[start:])) is not None:
            alarms += 1
            start += index + 1
            detector.reset()
        kept += alarms <= 10
    assert kept >= 18


def test_a_change_of_the_features_alone_is_none_of_the_concept(reference: ConceptReference) -> None:
    for centre in (-3.0, 3.0):
        assert labels_until_the_alarm(ConceptDetector(reference, 10_000), *drawn(5_000, 4, centre)) == -1


@pytest.mark.parametrize(
    ("share", "most", "finding"), [(1.0, 30, "reversed"), (0.5, 120, "uninformative"), (0.25, 600, None)]
)
def test_turned_outcomes_are_found_with_what_they_are(
    reference: ConceptReference, share: float, most: int, finding: str | None
) -> None:
    logit, y = drawn(3_000, 5)
    turned = np.random.default_rng(6).random(len(y)) < share
    y[1_000:] = np.where(turned[1_000:], 1.0 - y[1_000:], y[1_000:])
    detector = ConceptDetector(reference, BUDGET)
    delay = labels_until_the_alarm(detector, logit, y) - 1_000
    assert 0 < delay <= most
    alarm = detector.alarm
    assert alarm is not None
    assert alarm.since == pytest.approx(delay, abs=max(10, delay // 2))
    assert alarm.log_loss_change > 2 * alarm.log_loss_change_error
    assert finding in {None, alarm.finding}
    assert alarm.words


@pytest.mark.parametrize(("log_odds", "finding"), [(1.5, "more_frequent"), (-1.5, "less_frequent")])
def test_a_rate_that_moved_is_found_with_its_direction(
    reference: ConceptReference, log_odds: float, finding: str
) -> None:
    logit, _ = drawn(2_000, 7)
    y = (np.random.default_rng(8).random(2_000) < sigmoid(logit + log_odds)).astype(float)
    detector = ConceptDetector(reference, BUDGET)
    assert 0 < labels_until_the_alarm(detector, logit, y) <= 300
    assert detector.alarm is not None
    assert detector.alarm.finding == finding
    assert np.sign(detector.alarm.rate_change) == np.sign(log_odds)


@given(cuts=st.lists(st.integers(1, 400), min_size=1, max_size=12), turned=st.booleans())
def test_batches_do_not_matter_to_the_bit_and_a_stored_state_goes_on_alike(cuts: list[int], turned: bool) -> None:
    reference = fit_concept_reference(*drawn(180, 0))
    logit, y = drawn(600, 9)
    if turned:
        y[300:] = 1.0 - y[300:]
    whole = ConceptDetector(reference, BUDGET)
    crossed = whole.update(logit, y)
    detector, start = ConceptDetector(reference, BUDGET), 0
    found = None
    for size in [*cuts, 600]:
        if start < 600 and found is None:
            index = detector.update(logit[start : start + size], y[start : start + size])
            found = None if index is None else start + index
            start += size
            stored = msgspec.msgpack.decode(msgspec.msgpack.encode(detector.state()), type=ConceptState)
            detector = ConceptDetector.from_state(reference, BUDGET, stored)
    assert found == crossed
    assert detector.state() == whole.state()


def test_after_an_alarm_the_test_rests_until_it_is_reset(reference: ConceptReference) -> None:
    logit, y = drawn(500, 10)
    detector = ConceptDetector(reference, BUDGET)
    assert detector.update(logit, 1.0 - y) is not None
    statistic = detector.statistic
    assert statistic >= detector.threshold
    assert detector.update(logit, 1.0 - y) is None
    assert detector.statistic == statistic
    counted = detector.recent.labels
    detector.reset()
    assert (detector.statistic, detector.alarm, detector.recent.labels) == (0.0, None, counted)


def test_the_statistic_is_the_mean_of_the_textbook_recursions(reference: ConceptReference) -> None:
    logit, y = drawn(1_500, 12)
    ratios = likelihood_ratios(reference.outcome_range(logit, y == 1), y == 1)
    expected = 0.0
    for row in ratios:
        statistic = 0.0
        for ratio in row:
            statistic = statistic if ratio == 1.0 else (1.0 + statistic) * ratio
        expected += statistic / len(ratios)
    detector = ConceptDetector(reference, 1e9)
    assert detector.update(logit, y) is None
    assert detector.statistic == pytest.approx(expected, rel=1e-9)


def test_an_alternative_that_the_reference_allows_counts_no_labels() -> None:
    """One held-out row leaves so much open that some alternatives can never be told from it."""
    reference = fit_concept_reference(np.array([0.1]), np.array([1]))
    logit = np.zeros(5_000)
    detector = ConceptDetector(reference, BUDGET)
    assert detector.update(logit, np.tile([0.0, 1.0], 2_500)) is None
    assert detector.statistic < 100


def test_labels_behind_an_early_alarm_are_not_taken_and_overflow_nothing(reference: ConceptReference) -> None:
    logit, y = drawn(20_000, 13)
    detector = ConceptDetector(reference, BUDGET)
    index = detector.update(logit, 1.0 - y)
    assert index is not None
    assert detector.state().sums.labels == detector.recent.labels == index + 1
    assert BUDGET <= detector.statistic < 1e6 * BUDGET
    assert np.isinf(concept._mean(np.array([[1.7e308], [1.7e308]]))).all()  # a warning would be an error


@given(cuts=st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_batches_do_not_matter_across_alarms_and_resets(cuts: list[int]) -> None:
    reference = fit_concept_reference(*drawn(180, 0))
    logit, y = drawn(300, 14)
    y[100:] = np.where(np.arange(200) % 3 == 0, 1.0 - y[100:], y[100:])

    def alarms_in(sizes: list[int]) -> tuple[list[int], ConceptState]:
        detector, found, start = ConceptDetector(reference, 100), [], 0
        for size in [*sizes, 300]:
            end = min(start + size, 300)
            while (index := detector.update(logit[start:end], y[start:end])) is not None:
                start += index + 1
                found.append(start)
                detector.reset()
            start = end
        return found, detector.state()

    assert alarms_in(cuts) == alarms_in([])
    assert len(alarms_in([])[0]) >= 2


def test_the_recent_figures_follow_the_labels(reference: ConceptReference) -> None:
    detector = ConceptDetector(reference, 1e9)
    assert detector.recent.log_loss is None
    logit, y = drawn(5_000, 11)
    detector.update(logit, y)
    recent = np.log1p(np.exp(-np.where(y == 1, logit, -logit)))[-2_000:].mean()
    assert detector.recent.log_loss == pytest.approx(recent, abs=0.1)


def test_extreme_logits_give_finite_statistics(reference: ConceptReference) -> None:
    detector = ConceptDetector(reference, BUDGET)
    logit = np.array([1e300, -1e300, 700.0, -700.0] * 20)
    detector.update(logit, (logit > 0).astype(float))
    assert np.isfinite(detector.statistic)


@pytest.mark.parametrize("budget", [0.5, float("inf"), float("nan")])
def test_a_budget_that_cannot_be_kept_is_refused(reference: ConceptReference, budget: float) -> None:
    with pytest.raises(SettingsError):
        ConceptDetector(reference, budget)


def test_a_state_that_no_detector_wrote_is_refused(reference: ConceptReference) -> None:
    state = ConceptDetector(reference, BUDGET).state()
    for broken in (
        msgspec.structs.replace(state, tracks=state.tracks[:-1]),
        msgspec.structs.replace(state, tracks=[msgspec.structs.replace(state.tracks[0], statistic=-1.0)] * 9),
        msgspec.structs.replace(state, sums=Sums(labels=2**63)),
        msgspec.structs.replace(state, sums=Sums(loss=float("nan"))),
        msgspec.structs.replace(state, alarmed=True),  # with no label that could have raised it
    ):
        with pytest.raises(ValueError, match="concept test"):
            ConceptDetector.from_state(reference, BUDGET, broken)
