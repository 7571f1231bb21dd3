"""The index of rows that may get a label: exact under going back, letting go and reading it again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.connection import Connection
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.sample_block import SampleBlock
from monitor import label_index
from monitor.label_index import LabelIndex, Mark
from monitor.sample_history import SampleHistory
from tests.monitor.feeding import KeptSamples
from tests.monitor.scenario import make_model

FILE = make_model(("a", "b"), 1)
START_MS = 1_700_000_000_000


def positions_of(first: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Record number r came at millisecond r, in partition 0."""
    positions = np.zeros((count, 4), dtype=np.int64)
    positions[:, 0] = START_MS + first + np.arange(count)
    return positions


def block(window: int, first: int, ids: list[bytes], file: ModelFile = FILE) -> SampleBlock:
    x = np.random.default_rng(first).normal(size=(len(ids), file.model.schema.width))
    y, records = np.full(len(ids), np.nan), first + np.arange(len(ids))
    return SampleBlock(window, file.model.schema.fingerprint, x, y, ids, positions_of(first, len(ids)), records)


def add(index: LabelIndex, rows: SampleBlock) -> int:
    return index.add(rows.ids, FILE.model.score(rows.x).logit, rows.positions)


Known = tuple[bytes, float | None, bool, list[int]]


def known(index: LabelIndex, ids: list[bytes]) -> list[Known | None]:
    """All that an index says of ids."""
    found: list[Known | None] = []
    for record_id in ids:
        number = index.find(record_id)
        if number is None:
            found.append(None)
        else:
            run = index.place(number)
            assert run.ids == [record_id]
            place = [run.ms, run.seq, *run.rows, run.partition]
            found.append((record_id, index.logit(number), index.has_label(number), place))
    return found


IDS = [b"r%d" % number for number in range(12)]


def test_of_a_repeated_id_the_newest_row_counts() -> None:
    index = LabelIndex()
    first = add(index, block(1, 0, [b"a", b"b", b"a"]))
    assert index.find(b"a") == first + 2
    assert index.find(b"b") == first + 1
    assert index.find(b"c") is None
    assert index.ms(first + 2) == START_MS + 2


def test_too_old_and_too_many_rows_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    index = LabelIndex()
    add(index, block(1, 0, IDS[:6]))
    index.settle(1, 2, START_MS + 2)
    assert (index.rows, index.oldest_ms) == (4, START_MS + 2)
    monkeypatch.setattr(label_index, "MAX_ROWS", 3)
    index.settle(2, 2, 0)
    assert known(index, IDS[:4])[:3] == [None] * 3
    assert index.find(IDS[3]) is not None
    index.settle(3, 2, START_MS + 100)
    assert (index.rows, index.oldest_ms, index.labelled_bits()) == (0, None, b"")


def test_rows_are_bounded_by_the_bytes_that_the_samples_stream_keeps_of_them() -> None:
    index = LabelIndex()
    wide = label_index.MAX_SAMPLE_BYTES // 8
    add(index, block(1, 0, IDS))
    index.settle(1, wide, 0)
    assert index.rows == 0


def test_letting_go_of_an_old_row_leaves_the_newer_one_of_its_id() -> None:
    index = LabelIndex()
    first = add(index, block(1, 0, [b"a", b"b", b"a"]))
    index.settle(1, 2, START_MS + 1)
    assert index.find(b"a") == first + 2


def test_another_model_has_judged_no_row_yet() -> None:
    index = LabelIndex()
    first = add(index, block(1, 0, IDS[:2]))
    assert index.logit(first) is not None
    index.change_model()
    assert (index.logit(first), index.judged_rows) == (None, 0)
    add(index, block(1, 2, IDS[2:5]))
    assert index.judged_rows == 3


@settings(max_examples=200)
@given(st.data())
def test_going_back_leaves_no_trace(data: st.DataObject) -> None:
    index, ids = LabelIndex(), st.sampled_from(IDS)

    def act(number: int) -> None:
        rows = data.draw(st.lists(ids, max_size=5))
        add(index, block(0, 10 * number, rows))
        held = [place for record_id in data.draw(st.lists(ids)) if (place := index.find(record_id)) is not None]
        for place in held:
            if not index.has_label(place):
                index.give_label(place)

    for number in range(data.draw(st.integers(0, 3))):
        act(number)
        if data.draw(st.booleans()):
            index.settle(number, 2, START_MS + 10 * number - 3)
    before, mark = (known(index, IDS), index.rows, index.labelled_bits()), index.mark()
    for number in range(5, 5 + data.draw(st.integers(1, 3))):
        act(number)
    index.rewind(mark)
    assert (known(index, IDS), index.rows, index.labelled_bits()) == before


@settings(max_examples=100)
@given(st.data())
def test_read_again_it_is_as_it_was_and_reads_only_what_it_lacks(data: st.DataObject) -> None:
    ids, written, index, other = st.sampled_from(IDS), KeptSamples(), LabelIndex(), LabelIndex()
    seen_by_other = data.draw(st.integers(0, 6))
    for window in range(1, 7):
        rows = block(window, 10 * window, data.draw(st.lists(ids, max_size=5)))
        if rows.ids:
            written.blocks.append(rows)
        if window == 4 and data.draw(st.booleans()):
            index.change_model()
            other.change_model()
        add(index, rows)
        for record_id in data.draw(st.lists(ids)):
            number = index.find(record_id)
            if number is not None and not index.has_label(number):
                index.give_label(number)
        index.settle(window, 2, START_MS + 10 * window - data.draw(st.integers(5, 40)))
        if window <= seen_by_other:
            add(other, rows)
            other.settle(window, 2, 0)
    add(other, block(99, 0, IDS[:3]))  # of a window that it did not get to close
    fresh = LabelIndex()
    for again in (fresh, other):
        again.restore(6, index.rows, index.judged_rows, index.labelled_bits(), written, FILE)
        assert known(again, IDS) == known(index, IDS)
        assert (again.rows, again.judged_rows) == (index.rows, index.judged_rows)
        assert again.labelled_bits() == index.labelled_bits()
        assert again.mark().stop - again.rows == again.mark().stop - index.rows
    assert written.asked == [(6, 0), (6, seen_by_other)]


def test_an_index_that_is_ahead_of_the_state_is_read_anew() -> None:
    index, written = LabelIndex(), KeptSamples([block(1, 0, IDS[:2])])
    add(index, block(1, 50, IDS[2:4]))
    index.settle(2, 2, 0)
    index.restore(1, 2, 2, b"", written, FILE)
    assert written.asked == [(1, 0)]
    assert index.find(IDS[2]) is None
    assert index.find(IDS[0]) is not None


def test_without_the_model_that_judged_them_rows_only_tell_that_their_label_came() -> None:
    index = LabelIndex()
    index.restore(1, 2, 2, b"", KeptSamples([block(1, 0, IDS[:2])]), None)
    number = index.find(IDS[0])
    assert number is not None
    assert index.logit(number) is None
    other = make_model(("b", "c"), 3)
    index = LabelIndex()
    index.restore(1, 2, 2, b"", KeptSamples([block(1, 0, IDS[:2])]), other)
    number = index.find(IDS[0])
    assert number is not None
    assert index.logit(number) is None


def test_rows_that_the_stream_lost_are_missing_and_the_others_keep_their_labels() -> None:
    whole, written = LabelIndex(), KeptSamples([block(2, 10, IDS[2:5])])
    add(whole, block(1, 0, IDS[:2]))
    first = add(whole, written.blocks[0])
    whole.give_label(first + 1)
    whole.settle(2, 2, 0)
    index = LabelIndex()
    index.restore(2, 5, 5, whole.labelled_bits(), written, FILE)
    assert index.rows == 3
    assert known(index, IDS[2:5]) == known(whole, IDS[2:5])


def test_many_rows_take_little_more_room_than_those_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_index, "MAX_ROWS", 2_000)
    index = LabelIndex()
    for window in range(60):
        ids = [b"%d-%d" % (window, row) for row in range(500)]
        add(index, block(window, 500 * window, ids))
        index.settle(window, 2, 0)
        last = index.find(ids[-1])
        assert last is not None
        assert index.ms(last) == START_MS + 500 * window + 499
    assert index.rows == 2_000
    assert len(index._numbers) == 2_000
    assert len(index._logit) < 2 * 2_000 + 1_024
    index.rewind(Mark(0, 0)._replace(stop=index.mark().stop))
    assert index.rows == 2_000


@pytest.mark.parametrize("read_bytes", [1, 500, 2**20])
def test_the_samples_stream_is_read_backwards_to_the_window_before(
    connection: Connection, keys: PipelineKeys, read_bytes: int
) -> None:
    for window in range(1, 9):
        rows = block(window, 10 * window, IDS[: 1 + window % 3])
        for fields in rows.encode():
            connection.call("XADD", keys.samples, "*", *fields)
        if window == 5:
            connection.call("XADD", keys.samples, "*", "not", "ours")
    history = SampleHistory(connection, keys, read_bytes)
    assert [found.window for found in history.newest(6, 2)] == [6, 5, 4, 3]
    assert [found.ids for found in history.newest(1, 0)] == [IDS[:2]]
    assert list(history.newest(8, 8)) == []


def test_behind_a_lost_state_the_rows_before_are_not_taken_for_those_of_now(
    connection: Connection, keys: PipelineKeys
) -> None:
    for number, window in enumerate((1, 2, 3, 1, 2)):
        for fields in block(window, number, IDS[number : number + 1]).encode():
            connection.call("XADD", keys.samples, "*", *fields)
    index = LabelIndex()
    index.restore(2, 2, 2, b"", SampleHistory(connection, keys, 2**20), FILE)
    assert [index.find(record_id) is not None for record_id in IDS[:5]] == [False, False, False, True, True]


def test_what_no_monitor_wrote_hides_no_window(connection: Connection, keys: PipelineKeys) -> None:
    forged = replace(block(1, 0, IDS[:2]), positions=np.full((2, 4), 2**62))
    for window in range(1, 5):
        for sampled in (block(window, 10 * window, IDS[:1]), forged):
            for fields in sampled.encode():
                connection.call("XADD", keys.samples, "*", *fields)
    history = SampleHistory(connection, keys, 2**20)
    assert [found.window for found in history.newest(4, 0)] == [4, 3, 2, 1]
    assert [found.window for found in history.newest(4, 2)] == [4, 3]
