from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.entry import Entry, EntryId
from core.errors import StreamError
from core.merged_reader import PlacedEntry
from core.record_encoder import encode_block
from monitor.model_timeline import JudgingModel
from monitor.state import MonitorState, Position, decode_state, encode_state
from monitor.window_engine import ClosedWindow, WindowEngine
from tests.monitor.driver import FOREVER_MS
from tests.monitor.feeding import (
    DRIFT,
    FILE,
    ONE_MODEL,
    OTHER,
    SETTINGS,
    FixedTimeline,
    block,
    garbage,
    samples_of,
    windows,
    written,
)
from tests.monitor.scenario import START_MS, ScenarioMaker, dice_of

SCENARIO = ScenarioMaker([FILE, OTHER], dice_of(3), np.random.default_rng(3)).make(300, partitions=2)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), max_size=20), slide=st.sampled_from([None, 10, 20]))
def test_windows_do_not_depend_on_read_boundaries(cuts: list[int], slide: int | None) -> None:
    own = msgspec.structs.replace(SETTINGS, window_records=40, slide_records=slide, tolerated_unusable_share=0.6)
    placed = SCENARIO.merged()
    timeline = FixedTimeline([(one.ms, JudgingModel(one.run_id, one.file)) for one in SCENARIO.promotions])
    expected = windows(placed, own, timeline)
    assert written(windows(placed, own, timeline, cuts)) == written(expected)
    assert any(one.retrain is not None for one in expected)
    if slide is None:
        assert any(one.retrain is not None and one.drift.n < 40 for one in expected)  # an alarm ended a pane


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 25), st.sets(st.integers(0, 24))), max_size=25),
    window=st.integers(5, 30),
)
def test_each_record_is_in_one_pane_wherever_bad_rows_stand(
    sizes: list[tuple[int, int, set[int]]], window: int
) -> None:
    placed, ms = [], 0
    for gap, rows, bad in sizes:
        ms += gap + 1
        x = np.zeros((rows, 3))
        x[[row for row in bad if row < rows]] = np.inf
        item = block(ms, rows)
        placed.append(PlacedEntry(0, item.id, Entry(item.entry.id, encode_block(x, FILE.model.schema))))
    own = msgspec.structs.replace(SETTINGS, window_records=window)
    closed = windows(placed, own)
    assert sum(one.drift.n + one.drift.skipped for one in closed) == sum(rows for _, rows, _ in sizes)
    for one in closed:  # the rest of the stream, read from the state that is stored with this window
        rest = [item for item in placed if item.id > one.state.positions[0].done]
        before = samples_of(closed[: one.drift.window])
        later = windows(rest, own, state=decode_state(encode_state(one.state)), samples=before)
        assert written(later) == written(closed[one.drift.window :])


def test_pane_ends_within_a_block_and_the_position_says_where() -> None:
    closed = windows([block(0, 25)])
    assert [one.drift.n for one in closed] == [10, 10, 5]
    assert [one.state.positions[0].row for one in closed] == [10, 20, -1]
    assert [one.state.positions[0].entries for one in closed] == [0, 0, 1]
    first = START_MS
    assert [(one.drift.first, one.drift.last) for one in closed] == [
        (f"0-{first}-0-0", f"0-{first}-0-9"),
        (f"0-{first}-0-10", f"0-{first}-0-19"),
        (f"0-{first}-0-20", f"0-{first}-0-24"),
    ]


def test_pane_ends_exactly_with_a_block() -> None:
    closed = windows([block(0, 10), block(1, 10)])
    assert [one.drift.n for one in closed] == [10, 10]
    assert [one.state.positions[0] for one in closed] == [
        Position(START_MS, 0, -1, 1),
        Position(START_MS + 1, 0, -1, 2),
    ]


def test_time_limit_counts_from_the_first_entry_by_ids_and_excludes_its_end() -> None:
    closed = windows([block(0, 2), block(999, 2), block(1_000, 2), block(1_999, 1), block(2_000, 1)])
    assert [one.drift.n for one in closed] == [4, 3, 1]


def test_watermark_closes_a_pane_only_when_nothing_can_come_for_it() -> None:
    engine = WindowEngine(SETTINGS, MonitorState(), ONE_MODEL)
    assert list(engine.feed([block(0, 3)])) == []
    assert list(engine.expire(START_MS + 999)) == []
    assert [one.drift.n for one in engine.expire(START_MS + 1_000)] == [3]
    assert list(engine.expire(FOREVER_MS)) == []


def test_garbage_alone_moves_the_position_by_the_time_limit() -> None:
    closed = windows([garbage(0), garbage(500), garbage(1_000)])
    assert [(one.drift.n, one.drift.skipped, one.drift.state) for one in closed] == [
        (0, 2, "insufficient"),
        (0, 1, "insufficient"),
    ]
    assert closed[0].state.positions[0] == Position(START_MS + 500, 0, -1, 2)
    assert closed[0].drift.first == ""


def test_a_full_pane_leaves_garbage_behind_it_to_the_next() -> None:
    closed = windows([block(0, 10), garbage(1), block(2, 10)])
    assert [(one.drift.n, one.drift.skipped) for one in closed] == [(10, 0), (10, 1)]


def test_promotion_takes_effect_at_a_pane_boundary_and_rearms() -> None:
    timeline = FixedTimeline([(0, JudgingModel("run0", FILE)), (START_MS + 5, JudgingModel("run1", FILE))])
    closed = windows([block(ms, 4, mean=DRIFT) for ms in range(15)], timeline=timeline)
    models = [one.drift.model for one in closed]
    assert models == sorted(models)
    before, behind = models.count("run0"), models.index("run1")
    assert closed[before - 1].drift.last_entry >= f"{START_MS + 5}-0"  # the pane was open when it came
    assert closed[behind].drift.first != closed[behind - 1].drift.first
    opened = [one.retrain for one in closed if one.retrain is not None]
    assert [event.model for event in opened] == ["run0", "run1"]
    (first, second) = (one.drift.alarm for one in closed if one.retrain is not None)
    assert first is not None
    assert second is not None
    assert second.since >= closed[behind].drift.first_entry  # nothing from before it is suspected


def test_promotion_of_the_first_record_s_own_millisecond_waits_for_the_next_pane() -> None:
    timeline = FixedTimeline([(0, JudgingModel("run0", FILE)), (START_MS, JudgingModel("run1", FILE))])
    closed = windows([block(0, 10), block(1, 10)], timeline=timeline)
    assert [one.drift.model for one in closed] == ["run0", "run1"]


def test_another_schema_in_mid_stream_judges_what_fits_it() -> None:
    timeline = FixedTimeline([(0, JudgingModel("run0", FILE)), (START_MS + 1, JudgingModel("run1", OTHER))])
    placed = [block(0, 10), block(1, 5), block(2, 5), block(3, 3), block(4, 10, file=OTHER)]
    closed = windows(placed, timeline=timeline)
    assert [(one.drift.model, one.drift.n, one.drift.skipped) for one in closed] == [
        ("run0", 10, 0),
        ("run0", 10, 0),
        ("run1", 10, 1),
    ]
    assert set(closed[2].drift.z) == {"b", "c"}


def test_sliding_windows_hold_the_last_panes() -> None:
    own = msgspec.structs.replace(SETTINGS, window_records=10, slide_records=5)
    closed = windows([block(ms, 5) for ms in range(4)], own)
    assert [one.drift.n for one in closed] == [5, 10, 10, 10]
    assert [one.drift.first_entry for one in closed] == [f"{START_MS + ms}-0" for ms in (0, 0, 1, 2)]


def test_a_changed_slide_drops_the_panes_and_keeps_the_position() -> None:
    wide = msgspec.structs.replace(SETTINGS, window_records=10, slide_records=5)
    state = windows([block(0, 5), block(1, 5)], wide)[-1].state
    narrow = msgspec.structs.replace(SETTINGS, window_records=10, slide_records=2)
    closed = windows([block(2, 4)], narrow, state=state)
    assert [(one.drift.window, one.drift.n) for one in closed] == [(3, 2), (4, 4)]


@pytest.mark.parametrize("value", [1e300, -1e300, 1e308])
def test_an_absurd_value_leaves_everything_finite(value: float) -> None:
    x = np.array([[value, 0.0, 4.0]])
    absurd = PlacedEntry(0, EntryId(START_MS + 1, 0), Entry(b"", encode_block(x, FILE.model.schema)))
    closed = windows([block(0, 9), absurd, block(2, 10)])
    for one in closed:
        readings = [figure for reading in one.drift.readings for figure in (reading.statistic, reading.threshold)]
        figures = [one.drift.score, one.drift.p_mean, *one.drift.z.values(), *readings]
        if one.drift.alarm is not None:
            figures += [one.drift.alarm.statistic, one.drift.alarm.effect, *one.drift.alarm.shift.values()]
        assert all(map(np.isfinite, figures))
        assert decode_state(encode_state(one.state)) == one.state


def test_ids_beyond_int64_and_beyond_utf_8_do_no_harm() -> None:
    schema = FILE.model.schema
    item = PlacedEntry(
        0,
        EntryId(2**64 - 1, 2**64 - 1),
        Entry(b"%d-%d" % (2**64 - 1, 2**64 - 1), encode_block(np.full((1, 3), 4.0), schema, [b"\xff\x80"])),
    )
    closed = windows([block(0, 2), item], msgspec.structs.replace(SETTINGS, sample_share=1.0))
    last = closed[-1]
    assert last.drift.first == r"\xff\x80"
    assert last.samples is not None
    assert last.samples.ids == [b"\xff\x80"]
    assert last.samples.positions.tolist() == [[2**63 - 1, 2**63 - 1, 0, 0]]
    assert decode_state(encode_state(last.state)) == last.state


def test_equal_ids_in_two_partitions_are_told_apart() -> None:
    one, two = block(0, 3), block(0, 3)
    x = np.zeros((3, 3))
    x[:2] = np.nan
    two = PlacedEntry(1, two.id, Entry(two.entry.id, encode_block(x, FILE.model.schema)))
    (closed,) = windows([one, two])
    assert (closed.drift.n, closed.drift.skipped) == (4, 2)
    assert closed.samples is not None
    assert [row[2:] for row in closed.samples.positions.tolist()] == [[0, 0], [1, 0], [2, 0], [2, 1]]


def test_sampled_rows_are_numbered_over_all_usable_records() -> None:
    placed = [block(0, 7), garbage(1), block(2, 9), block(3, 8)]
    x = np.full((5, 3), 4.0)
    x[[0, 3]] = np.inf  # unusable, and without a number
    placed.append(PlacedEntry(0, EntryId(START_MS + 4, 0), Entry(b"", encode_block(x, FILE.model.schema))))
    own = msgspec.structs.replace(SETTINGS, tolerated_unusable_share=0.6)
    numbers = {}
    for cuts in ((), (1, 1), (2,)):
        closed = windows(placed, own, cuts=cuts)
        numbers = numbers_of(closed)
        assert list(numbers.values()) == list(range(27))
    for share in (0.3, 0.7):
        kept = numbers_of(windows(placed, msgspec.structs.replace(own, sample_share=share)))
        assert 0 < len(kept) < 27
        assert kept == {record_id: numbers[record_id] for record_id in kept}
    rest = [item for item in placed if item.id.ms > START_MS + 1]
    state = windows(placed[:2], own)[-1].state  # where a killed monitor goes on
    assert list(numbers_of(windows(rest, own, state=state)).values()) == list(range(7, 27))


def test_rows_behind_an_alarm_that_ends_a_pane_go_on_with_the_next_number() -> None:
    closed = windows([block(0, 30), block(1, 25, mean=DRIFT)])
    assert any(one.drift.alarm is not None and one.drift.n < 10 for one in closed)
    assert list(numbers_of(closed).values()) == list(range(55))


def numbers_of(closed: list[ClosedWindow]) -> dict[bytes, int]:
    """The number of each sampled row, by its id, in order."""
    blocks = samples_of(closed).blocks
    pairs = [pair for one in blocks for pair in zip(one.ids, one.records.tolist(), strict=True)]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_a_state_that_does_not_fit_its_model_is_refused() -> None:
    state = windows([block(0, 10)])[-1].state
    other = FixedTimeline([(0, JudgingModel("run0", OTHER))])
    with pytest.raises(StreamError, match=r"does not fit its model .*; delete its key to begin anew"):
        windows([block(1, 10, file=OTHER)], timeline=other, state=state)
