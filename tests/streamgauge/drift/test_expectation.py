"""What is said to be expected of a reference."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from core.drift.budget import RECORD_SHARE
from core.drift.calibration import ANCHORS
from core.settings import Settings
from monitor.drift_engine import Limits
from streamgauge.drift.delay import MOST_RECORDS, Delay, IndependentStream, Records, measure_delay, stream_of
from streamgauge.drift.expectation import (
    ALONE,
    MORE_ROWS,
    TOGETHER,
    Expectation,
    brief_expectation,
    expect,
    in_words,
    run_lengths,
)
from streamgauge.drift.reference import FittedReference, training_rows
from tests.drift_references import QUICK_BLOCKS
from tests.streamgauge.drift.conftest import FEATURES, ROWS, normal_rows
from trainer.fit import fit
from trainer.table import Table

SETTINGS = Settings(false_alarm_records=2_000)
LIMITS = Limits(budget=2_000, slide=500)


def mean(delay: Delay) -> float:
    assert delay.records is not None
    return delay.records


@pytest.fixture(scope="module")
def expectation(reference: FittedReference) -> Expectation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.drift.calibration.BLOCKS", QUICK_BLOCKS)
        return expect(reference, SETTINGS, lambda _: None)


def test_a_larger_shift_is_found_sooner_under_every_reference(expectation: Expectation) -> None:
    together = [change for change in expectation.changes if change.feature is None]
    assert [change.shift for change in together] == list(TOGETHER)
    for smaller, larger in pairwise(together):
        for slow, quick in zip(smaller.delays, larger.delays, strict=True):
            assert mean(quick) < mean(slow)


def test_more_rows_do_not_find_changes_later(expectation: Expectation) -> None:
    for change in expectation.changes:
        these, more, known = change.delays
        assert mean(more) <= mean(these) + 2 * these.standard_error
        assert mean(known) <= mean(these) + 2 * these.standard_error


def test_each_feature_alone_and_each_kind_of_reference_is_told(expectation: Expectation) -> None:
    alone = [change for change in expectation.changes if change.feature is not None]
    assert [(change.feature, change.shift) for change in alone] == [(name, ALONE) for name in FEATURES]
    trained = round(0.8 * ROWS)
    assert [kind.rows for kind in expectation.kinds] == [trained, MORE_ROWS * trained, None]
    assert expectation.features_left_out == 0
    lengths = expectation.kinds[0].run_lengths
    assert lengths.low <= lengths.median <= lengths.high


def test_a_reference_that_keeps_the_budget_everywhere_gives_the_budget() -> None:
    """But at the upper end, where the detectors that judge windows are taken to say nothing."""
    lengths = run_lengths(np.full(30, ANCHORS[1]), 50_000)
    assert (lengths.low, lengths.median, lengths.high) == pytest.approx((50_000, 50_000, 50_000 / RECORD_SHARE))
    longer = run_lengths(np.full(30, 3 * ANCHORS[1]), 50_000)
    assert 50_000 < longer.median < 3 * 50_000 / RECORD_SHARE < longer.high


def test_the_range_of_run_lengths_grows_with_the_budget_and_promises_no_more_than_it() -> None:
    """From the run lengths that Raisin has at 10,000; at 100,000 the median was 400,000, 95 % 1,800,000."""
    lengths = ANCHORS[1] * np.exp(1.19 + 0.448 * np.random.default_rng(0).normal(size=2_000))
    spreads = []
    for budget in (2_500, ANCHORS[1], 100_000, 1_000_000):
        found = run_lengths(lengths, budget)
        assert found.low <= budget < found.median < found.high
        spreads.append(np.log(found.high / found.low))
    assert (np.diff(spreads) > 0.3).all()
    wide = run_lengths(lengths, 100_000)
    assert wide.low == 100_000
    assert 250_000 < wide.median < 500_000
    assert 1_200_000 < wide.high < 2_500_000


def test_a_tiny_budget_has_run_lengths_too() -> None:
    lengths = ANCHORS[1] * np.exp(np.random.default_rng(0).normal(size=30))
    found = run_lengths(lengths, 10)
    assert 0 < found.low <= found.median <= found.high <= 10 / RECORD_SHARE


def test_the_change_comes_neither_before_nor_behind_the_place_it_is_counted_from(
    reference: FittedReference,
) -> None:
    """A shift of a thousand SD is found with its first record, and none is never found."""
    stream = stream_of(reference.rows.of(reference.file), reference.file, 0)
    huge = np.full(len(FEATURES), 1_000.0)
    found = measure_delay(reference.file, stream, LIMITS, huge, 6, 0)
    assert 1.0 <= mean(found) <= 5.0  # the shortest scale is of three records
    assert (found.trials, found.missed) == (6, 0)
    lasting = Limits(budget=1e9, slide=500)
    missed = measure_delay(reference.file, stream, lasting, np.zeros(len(FEATURES)), 2, 0)
    assert (missed.records, missed.missed) == (MOST_RECORDS, 2)
    assert in_words(missed) == "> 5,000"


def test_a_reference_that_alarms_before_any_change_has_no_delay(reference: FittedReference) -> None:
    stream = stream_of(reference.rows.of(reference.file), reference.file, 0)
    hasty = Limits(budget=1, slide=500)
    found = measure_delay(reference.file, stream, hasty, np.ones(len(FEATURES)), 4, 0)
    assert (found.records, found.trials) == (None, 0)
    assert in_words(found) == "unknown"


def test_delays_are_the_same_each_time(reference: FittedReference) -> None:
    stream = stream_of(reference.rows.of(reference.file), reference.file, 0)
    shift = np.full(len(FEATURES), 0.5)
    first, second = (measure_delay(reference.file, stream, LIMITS, shift, 10, 3) for _ in range(2))
    assert first == second


class _FirstRows:
    """A stream that counts what was drawn of it."""

    def __init__(self, stream: IndependentStream) -> None:
        self.drawn = 0
        self._stream = stream

    def draw(self, count: int, generator: np.random.Generator) -> Records:
        self.drawn += count
        return self._stream.draw(count, generator)


def test_a_trial_draws_little_more_than_it_needs(reference: FittedReference) -> None:
    stream = _FirstRows(IndependentStream(reference.rows.of(reference.file)))
    delay = measure_delay(reference.file, stream, LIMITS, np.full(len(FEATURES), 1.0), 10, 0)
    assert delay.trials == 10
    assert stream.drawn < 10 * (200 + LIMITS.min_records + LIMITS.slide + 64)


def ordered_reference(x: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> FittedReference:
    noise = np.random.default_rng(0).normal(size=len(x))
    table = Table(FEATURES, x, (x.sum(axis=1) + noise > x.sum(axis=1).mean()).astype(np.uint8))
    fitted = fit(table, seed=0, blocks=QUICK_BLOCKS)
    return FittedReference("rows.csv", "rows", fitted.file, rows=training_rows(table, 0, ordered=True))


def test_a_dependent_reference_is_measured_on_dependent_records() -> None:
    x = np.random.default_rng(11).normal(size=(3_000, len(FEATURES)))
    for row in range(1, len(x)):
        x[row] += 0.8 * x[row - 1]
    reference = ordered_reference(x)
    rows = reference.rows.of(reference.file)
    assert rows.dependent
    stream = stream_of(rows, reference.file, 0)
    drawn = stream.draw(5_000, np.random.default_rng(0)).x
    centred = drawn - drawn.mean(axis=0)
    r = (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0)
    assert (abs(r - 0.8) < 0.1).all()
    small, large = (
        measure_delay(reference.file, stream, LIMITS, np.full(len(FEATURES), size), 20, 0) for size in (0.5, 1.5)
    )
    assert mean(large) < mean(small)
    assert small.trials == 20


def test_an_unlabelled_reference_and_a_constant_feature_can_be_measured(reference: FittedReference) -> None:
    x = normal_rows(300, 12)
    x[:, 1] = 7.0
    reference = ordered_reference(x)
    rows = reference.rows.of(reference.file)
    sentence = brief_expectation(reference.file, rows, SETTINGS)
    assert "19 of 20 training sets alarm falsely less often than once in 2,000 records" in sentence
    assert "0.5 SD" in sentence
    assert "\n" not in sentence


def test_of_many_features_some_are_measured_alone(
    reference: FittedReference,
    monkeypatch: pytest.MonkeyPatch,
    quick_calibration: None,  # noqa: ARG001  (its effect)
) -> None:
    monkeypatch.setattr("streamgauge.drift.expectation.MOST_ALONE", 2)
    monkeypatch.setattr("streamgauge.drift.expectation.TRIALS", 2)
    found = expect(reference, SETTINGS, lambda _: None)
    assert found.features_left_out == 1
    assert [change.feature for change in found.changes] == [None, None, None, "a", "b"]
