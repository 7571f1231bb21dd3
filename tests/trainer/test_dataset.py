from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from core.entry import EntryId
from core.record_place import RecordPlace
from core.sample_block import UNNUMBERED, SampleBlock
from core.schema import Schema
from trainer.dataset import Dataset, LabelledRows

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

SCHEMA = Schema(("a", "b"), ("no", "yes"))
PAST_MS = 1_700_000_000_000
FUTURE_MS = 4_000_000_000_000


def rows(*values: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[value, -value] for value in values])


@pytest.fixture
def dataset(stage: Stage) -> Dataset:
    return Dataset(stage.connection, stage.keys, SCHEMA, stage.settings)


def labelled(dataset: Dataset, since: RecordPlace | None = None) -> LabelledRows:
    dataset.refresh()
    return dataset.labelled(since)


def pairs(found: LabelledRows) -> list[tuple[float, int]]:
    return [(float(x[0]), int(y)) for x, y in zip(found.x, found.y, strict=True)]


def test_a_label_finds_its_row_by_id(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2, 3), [b"p", b"q", b"r"])
    stage.label([b"r", b"p"], [0, 1])
    found = labelled(dataset)
    assert pairs(found) == [(1, 1), (3, 0)]
    assert found.ids == [b"p", b"r"]
    assert found.positions[:, 0].tolist() == [PAST_MS, PAST_MS + 2]
    assert (found.rows_seen, found.coverage) == (3, 2 / 3)


def test_nothing_yet_is_an_empty_set(dataset: Dataset) -> None:
    found = labelled(dataset)
    assert found.x.shape == (0, 2)
    assert (len(found.y), found.ids, found.positions.shape, found.coverage) == (0, [], (0, 4), 0.0)


def test_plain_labels_may_name_the_class(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2, 3), [b"p", b"q", b"r"])
    stage.plain_label("id", "p", "y", "yes")
    stage.plain_label("id", "q", "y", "no")
    stage.plain_label("id", "r", "y", "perhaps")
    assert pairs(labelled(dataset)) == [(1, 1), (2, 0)]


def test_an_early_label_waits_for_its_row(stage: Stage, dataset: Dataset) -> None:
    stage.label([b"p"], [1])
    assert len(labelled(dataset).y) == 0
    stage.sample(rows(1), [b"p"], first_ms=FUTURE_MS)
    assert pairs(labelled(dataset)) == [(1, 1)]


def test_a_label_joins_the_newest_row_of_a_repeated_id(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1), [b"p"])
    stage.sample(rows(2), [b"p"], first_ms=PAST_MS + 10)
    stage.label([b"p"], [1])
    assert pairs(labelled(dataset)) == [(2, 1)]


def test_a_repeated_id_leaves_the_older_row_its_label(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1), [b"p"])
    stage.label([b"p"], [1])
    stage.sample(rows(2), [b"p"], first_ms=FUTURE_MS)
    assert pairs(labelled(dataset)) == [(1, 1)]


def test_the_last_of_several_labels_counts(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1), [b"p"])
    stage.label([b"p", b"p"], [0, 1])
    assert pairs(labelled(dataset)) == [(1, 1)]
    stage.label([b"p"], [0])
    assert pairs(labelled(dataset)) == [(1, 0)]


def test_a_records_own_label_counts_until_a_later_one_comes(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2), [b"p", b"q"], y=[1.0, float("nan")])
    assert pairs(labelled(dataset)) == [(1, 1)]
    stage.label([b"p"], [0])
    assert pairs(labelled(dataset)) == [(1, 0)]


def test_a_records_own_label_replaces_one_that_came_before_it(stage: Stage, dataset: Dataset) -> None:
    stage.label([b"p"], [0])
    stage.sample(rows(1), [b"p"], first_ms=FUTURE_MS, y=[1.0])
    assert pairs(labelled(dataset)) == [(1, 1)]


def test_only_rows_from_the_point_on_are_given(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2, 3), [b"p", b"q", b"r"], y=[0.0, 1.0, 1.0])
    found = labelled(dataset, RecordPlace(PAST_MS + 1, 0))
    assert pairs(found) == [(2, 1), (3, 1)]
    assert found.rows_seen == dataset.labelled_count(RecordPlace(PAST_MS + 1, 0)) == 2
    assert pairs(dataset.labelled(RecordPlace(PAST_MS + 1, 1))) == [(3, 1)]


def test_of_a_block_only_rows_from_the_point_on_are_given(stage: Stage, dataset: Dataset) -> None:
    """Its rows share an entry id, as may entries of other partitions."""
    places = [(7, 2, row, partition) for partition in (0, 1) for row in range(3)] + [(7, 1, 5, 1), (8, 0, 0, 0)]
    x = rows(*range(len(places)))
    ids = [b"p%d" % number for number in range(len(places))]
    numbers = np.arange(len(places))
    block = SampleBlock(1, SCHEMA.fingerprint, x, np.ones(len(places)), ids, np.array(places), numbers)
    for fields in block.encode():
        stage.connection.call("XADD", stage.keys.samples, "*", *fields)
    found = labelled(dataset, RecordPlace(7, 2, partition=0, row=2))
    assert [value for value, _ in pairs(found)] == [2, 3, 4, 5, 7]
    assert found.rows_seen == dataset.labelled_count(RecordPlace(7, 2, partition=0, row=2)) == 5
    assert [value for value, _ in pairs(dataset.labelled(RecordPlace(7, 2, partition=1, row=1)))] == [4, 5, 7]


def test_rows_come_in_stream_order_and_once(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(3, 4), [b"r", b"s"], first_ms=PAST_MS + 10, y=[1.0, 1.0])
    stage.sample(rows(1, 2), [b"p", b"q"], y=[0.0, 0.0])
    stage.sample(rows(1, 2), [b"p", b"q"], y=[0.0, 0.0])  # by a monitor that had lost its state
    assert pairs(labelled(dataset)) == [(1, 0), (2, 0), (3, 1), (4, 1)]


NONE = [float("nan")] * 2


def assert_before(found: LabelledRows, expected: list[float | None]) -> None:
    """The value of the record before each row; None where it is unknown."""
    wanted = [NONE if value is None else [value, -value] for value in expected]
    np.testing.assert_array_equal(found.before, np.array(wanted).reshape(-1, 2))


def test_the_record_before_a_row_needs_no_label(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2, 3, 4), [b"p", b"q", b"r", b"s"])
    stage.label([b"r", b"p", b"s"], [0, 1, 1])
    found = labelled(dataset)
    assert pairs(found) == [(1, 1), (3, 0), (4, 1)]
    assert_before(found, [None, 2, 3])
    assert_before(found.tail(1), [2, 3])


def test_the_record_before_a_row_may_be_of_the_window_before_and_before_the_point(
    stage: Stage, dataset: Dataset
) -> None:
    stage.sample(rows(1, 2), [b"p", b"q"])
    stage.sample(rows(3, 4), [b"r", b"s"], first_ms=PAST_MS + 2, y=[1.0, 0.0])
    assert_before(labelled(dataset), [2, 3])
    assert_before(dataset.labelled(RecordPlace(PAST_MS + 2, 0)), [2, 3])
    assert_before(dataset.labelled(RecordPlace(PAST_MS + 3, 0)), [3])


def test_a_record_that_was_not_sampled_is_before_no_row(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2, 3), [b"p", b"q", b"r"], y=[1.0, 1.0, 1.0], records=[5, 7, 8])
    stage.sample(rows(4, 5), [b"s", b"t"], first_ms=PAST_MS + 3, y=[1.0, 1.0], records=[10, 11])
    assert_before(labelled(dataset), [None, None, 2, None, 4])


def test_a_record_of_another_schema_is_before_no_row(stage: Stage, dataset: Dataset) -> None:
    stage.sample(np.ones((1, 2)), [b"p"], schema=Schema(("b", "c")))
    stage.sample(rows(2), [b"q"], first_ms=PAST_MS + 1, y=[1.0])
    stage.sample(np.ones((1, 3)), [b"r"], first_ms=PAST_MS + 2, schema=Schema(("a", "b", "c")))
    stage.sample(rows(3, 4), [b"s", b"t"], first_ms=PAST_MS + 3, y=[1.0, 1.0])
    assert_before(labelled(dataset), [None, None, 3])


def test_rows_without_numbers_follow_no_record(stage: Stage, dataset: Dataset) -> None:
    """Monitors gave none before there were any; -1 is not the number before that of the very first record."""
    stage.sample(rows(1, 2), [b"p", b"q"], y=[1.0, 1.0], records=[UNNUMBERED] * 2)
    stage.sample(rows(3, 4), [b"r", b"s"], first_ms=PAST_MS + 2, y=[1.0, 1.0], records=[0, 1])
    assert_before(labelled(dataset), [None, None, None, 3])


def test_rows_that_were_sampled_again_keep_the_record_before(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1, 2), [b"p", b"q"], records=[70, 71])
    stage.sample(rows(1, 2, 3), [b"p", b"q", b"r"], records=[0, 1, 2])  # by a monitor that had lost its state
    stage.label([b"p", b"q", b"r"], [1, 1, 0])
    found = labelled(dataset)
    assert pairs(found) == [(1, 1), (2, 1), (3, 0)]
    assert_before(found, [None, 1, 2])


def test_a_row_whose_predecessor_was_let_go_follows_no_record(stage: Stage) -> None:
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings, max_rows=2)
    stage.sample(rows(1, 2), [b"p", b"q"])
    stage.sample(rows(3, 4), [b"r", b"s"], first_ms=PAST_MS + 2, y=[1.0, 1.0])
    assert_before(labelled(dataset), [None, 3])


def test_rows_of_another_schema_are_left_out_but_their_labels_have_a_record(
    stage: Stage, dataset: Dataset
) -> None:
    stage.sample(np.ones((1, 3)), [b"p"], schema=Schema(("a", "b", "c")))
    stage.label([b"p"], [1])
    found = labelled(dataset)
    assert (len(found.y), found.rows_seen) == (0, 0)
    assert dataset.has_matched(b"p")


def test_what_the_monitor_did_not_write_is_passed_over(stage: Stage, dataset: Dataset) -> None:
    stage.connection.call("XADD", stage.keys.samples, "*", "Area", "1")
    stage.sample(rows(1), [b"p"], y=[1.0])
    assert pairs(labelled(dataset)) == [(1, 1)]
    assert dataset.unreadable_entries == 1


def test_memory_keeps_the_newest_rows(stage: Stage) -> None:
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings, max_rows=4)
    for number in range(5):
        ids = [b"%d-%d" % (number, row) for row in range(2)]
        stage.sample(rows(number, number), ids, first_ms=PAST_MS + 10 * number)
        stage.label(ids, [1, 1])
    assert [x for x, _ in pairs(labelled(dataset))] == [3, 3, 4, 4]


def test_a_look_reads_only_what_is_new(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1), [b"p"], y=[1.0])
    dataset.refresh()
    stage.connection.call("XTRIM", stage.keys.samples, "MAXLEN", 0)
    stage.sample(rows(2), [b"q"], first_ms=PAST_MS + 1, y=[0.0])
    assert pairs(labelled(dataset)) == [(1, 1), (2, 0)]


def test_labels_of_rows_left_out_by_the_share_are_not_kept(stage: Stage) -> None:
    settings = msgspec.structs.replace(stage.settings, sample_share=0.0)
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, settings)
    stage.label([b"p"], [1])
    dataset.refresh()
    assert dataset._known == {}
    assert len(dataset._waiting) == 0


def test_forgotten_labels_take_no_room_and_leave_rows_theirs(stage: Stage, dataset: Dataset) -> None:
    stage.sample(rows(1), [b"p"])
    stage.label([b"p", b"lost"], [1, 1])
    dataset.refresh()
    assert len(dataset._waiting) == 1
    dataset.forget_labels(EntryId(FUTURE_MS, 0))
    assert set(dataset._known) == {b"p"}
    assert len(dataset._waiting) == 0
    assert pairs(dataset.labelled()) == [(1, 1)]


def test_several_early_labels_each_join_the_row_before_them(stage: Stage, dataset: Dataset) -> None:
    early, late = (stage.plain_label("id", "p", "y", y) for y in ("1", "0"))
    first_ms, second_ms = (int(entry.split(b"-")[0]) for entry in (early, late))
    dataset.refresh()
    assert len(dataset._waiting) == 2
    stage.sample(rows(1), [b"p"], first_ms=first_ms - 10)
    stage.sample(rows(2), [b"p"], first_ms=second_ms + 10_000)
    assert pairs(labelled(dataset)) == [(1, 0)]  # both came behind the first row: the last counts


def test_labels_without_a_row_are_bounded_and_the_newest_still_join(stage: Stage) -> None:
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings, max_waiting_labels=80)
    ids = [b"%d" % number for number in range(1_000)]
    stage.label(ids, [1] * 1_000)
    dataset.refresh()
    assert 80 <= len(dataset._waiting) <= 90
    assert dataset.dropped_labels == 1_000 - len(dataset._waiting)
    stage.sample(rows(1, 2), [ids[0], ids[-1]], first_ms=FUTURE_MS)
    assert pairs(labelled(dataset)) == [(2, 1)]


def test_a_label_without_a_row_takes_little_memory(stage: Stage) -> None:
    count = 40_000
    for start in range(0, count, 1_000):
        stage.label([b"record-%08d" % number for number in range(start, start + 1_000)], [1] * 1_000)
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings)
    tracemalloc.start()
    try:
        dataset.refresh()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(dataset._waiting) == count
    assert kept_bytes / count < 220


def test_a_label_whose_row_was_let_go_is_remembered_until_it_is_forgotten(stage: Stage) -> None:
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings, max_rows=1)
    stage.sample(rows(1), [b"p"])
    stage.label([b"p"], [1])
    stage.sample(rows(2), [b"q"], first_ms=PAST_MS + 1)
    dataset.refresh()
    assert set(dataset._known) == {b"q"}
    assert dataset.has_matched(b"p")
    assert not dataset.has_matched(b"q")
    dataset.forget_labels(EntryId(FUTURE_MS, 0))
    dataset._spent._sort_in()
    assert len(dataset._spent) == 0
