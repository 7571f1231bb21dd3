from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from core.entry import entries_of
from core.errors import GroupMissing
from core.keys import MONITORS
from core.log import logger
from core.required_groups import release_group
from core.retention import LABELS
from core.schema import Schema
from trainer.dataset import Dataset
from trainer.label_intake import LabelIntake

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

SCHEMA = Schema(("a", "b"), ("no", "yes"))
EXPIRED = (-1_000, LABELS[1])  #: every label is at the end of its time
Maker = Callable[..., LabelIntake]


@pytest.fixture
def intake_of(stage: Stage) -> Maker:
    def make(keep: tuple[int, int] = LABELS, **changes: Any) -> LabelIntake:
        settings = msgspec.structs.replace(stage.settings, **changes)
        made = LabelIntake(stage.connection, stage.keys, "tester", settings, logger("trainer", "test"), keep)
        made.join()
        stage.monitor_has_read()
        return made

    return make


def fresh(stage: Stage) -> Dataset:
    dataset = Dataset(stage.connection, stage.keys, SCHEMA, stage.settings)
    dataset.refresh()
    return dataset


def nan() -> float:
    return float("nan")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (("id", "p", "y", "2"), "bad_field"),
        (("id", "p", "y", "maybe"), "bad_field"),
        (("id", "p", "y", ""), "bad_field"),
        (("id", "p", "y", "nan"), "bad_field"),
        (("id", "p"), "bad_field"),
        (("y", "1"), "bad_field"),
        (("id", "", "y", "1"), "bad_field"),
        (("id", "p\n", "y", "1"), "bad_field"),
        (("id", "p" * 129, "y", "1"), "bad_field"),
        (("id", "p", "y", "1", "_v", "2"), "unknown_version"),
        (("id", "p", "y", "1", "y", "0"), "duplicate_field"),
        (("Area", "1"), "bad_field"),
        (("_ids", "p\nq", "_y", b"\0" * 8), "bad_block"),
        (("_ids", "p", "_y", b"\0" * 7), "bad_block"),
        (("_ids", "p"), "bad_block"),
        (("_y", b"\0" * 8), "bad_block"),
    ],
)
def test_an_unusable_label_is_set_aside_whole(
    stage: Stage, intake_of: Maker, fields: tuple[str | bytes, ...], reason: str
) -> None:
    intake = intake_of()
    entry_id = stage.plain_label(*fields)
    assert intake.take(SCHEMA.classes) == 1
    (kept,) = stage.unmatched()
    assert kept[b"reason"] == reason.encode()
    assert kept[b"record"] == entry_id
    assert kept[b"source"] == b"labels"
    assert kept[b"detail"]
    assert int(kept[b"ts"]) > 0
    original = [value.encode() if isinstance(value, str) else value for value in fields]
    assert msgspec.msgpack.decode(kept[b"entry"]) == original
    assert stage.connection.call("XPENDING", stage.keys.labels, "trainers")[0] == 0


def test_of_a_block_only_the_bad_pairs_are_set_aside(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of()
    stage.label([b"p", b"q", b"r", b""], [1, 0.5, nan(), 0])
    intake.take(SCHEMA.classes)
    (kept,) = stage.unmatched()
    assert kept[b"reason"] == b"bad_field"
    assert b"'q' is 0.5" in kept[b"detail"]
    names = msgspec.msgpack.decode(kept[b"entry"])
    assert names[:3] == [b"_ids", b"q\nr\n", b"_y"]
    assert np.array_equal(np.frombuffer(names[3], "<f8"), [0.5, nan(), 0], equal_nan=True)


def test_a_good_label_stays_and_is_looked_at_once(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of()
    stage.plain_label("id", "p", "y", "yes")
    stage.label([b"q"], [0])
    assert intake.take(SCHEMA.classes) == 2
    assert intake.take(SCHEMA.classes) == 0
    assert stage.unmatched() == []
    assert stage.connection.call("XLEN", stage.keys.labels) == 2


def test_a_label_without_a_record_is_told_at_the_end_of_its_time(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of(EXPIRED)
    stage.sample(np.ones((1, 2)), [b"known"])
    stage.label([b"known", b"lost"], [1, 0])
    stage.plain_label("id", "gone", "y", "yes")
    stage.plain_label("id", "known", "y", "yes")
    intake.take(SCHEMA.classes)
    assert intake.retire(fresh(stage)) == 3
    first, second = stage.unmatched()
    assert first[b"reason"] == second[b"reason"] == b"no_record"
    assert msgspec.msgpack.decode(first[b"entry"]) == [b"_ids", b"lost", b"_y", bytes(8)]
    assert msgspec.msgpack.decode(second[b"entry"]) == [b"id", b"gone", b"y", b"yes"]
    assert second[b"id"] == b"gone"
    assert stage.connection.call("XLEN", stage.keys.labels) == 0


def test_a_label_within_its_time_waits(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of()
    stage.label([b"early"], [1])
    intake.take(SCHEMA.classes)
    assert intake.retire(fresh(stage)) == 0
    assert stage.unmatched() == []


def test_a_label_that_the_share_left_out_is_counted_and_dropped(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of(EXPIRED, sample_share=0.0)
    stage.label([b"p", b"q"], [1, 0])
    intake.take(SCHEMA.classes)
    assert intake.retire(fresh(stage)) == 1
    assert stage.unmatched() == []
    assert intake.left_out == 2


def test_unread_labels_are_never_retired(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of(EXPIRED)
    stage.label([b"p"], [1])
    intake.take(SCHEMA.classes)
    stage.label([b"q"], [1])
    assert intake.retire(fresh(stage)) == 1
    (left,) = entries_of(stage.connection.call("XRANGE", stage.keys.labels, "-", "+"))
    assert left.fields[1] == b"q"


def test_labels_that_the_monitor_has_not_read_are_never_retired(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of(EXPIRED)
    read, half_read = stage.plain_label("id", "p", "y", "1"), stage.plain_label("id", "q", "y", "1")
    intake.take(SCHEMA.classes)
    stage.monitor_has_read(read)
    assert intake.retire(fresh(stage)) == 1
    (left,) = entries_of(stage.connection.call("XRANGE", stage.keys.labels, "-", "+"))
    assert left.id == half_read


def test_a_required_monitor_that_is_not_there_has_read_nothing(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of(EXPIRED)
    stage.connection.call("XGROUP", "DESTROY", stage.keys.labels, MONITORS)
    stage.label([b"p"], [1])
    intake.take(SCHEMA.classes)
    assert intake.retire(fresh(stage)) == 0
    release_group(stage.connection, stage.keys, MONITORS)  # as streamgauge groups retire does
    assert intake.retire(fresh(stage)) == 1


def test_of_too_many_labels_the_oldest_leave(stage: Stage, intake_of: Maker) -> None:
    weight = len(b"_idsp1_y") + 8
    intake = intake_of((LABELS[0], 3 * weight))
    for number in range(5):
        stage.label([b"p%d" % number], [1])
    intake.take(SCHEMA.classes)
    assert intake.retire(fresh(stage)) == 2
    assert [kept[b"reason"] for kept in stage.unmatched()] == [b"no_record"] * 2


def test_of_two_trainers_one_tells_of_a_lost_label(
    stage: Stage, intake_of: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = intake_of(EXPIRED), intake_of(EXPIRED)
    stage.label([b"lost"], [1])
    first.take(SCHEMA.classes)
    as_seen_before = second._leaving(second._floor())
    assert first.retire(fresh(stage)) == 1
    monkeypatch.setattr(second, "_leaving", lambda _: as_seen_before)
    assert second.retire(fresh(stage)) == 0
    assert len(stage.unmatched()) == 1


def test_a_refused_write_keeps_the_labels(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of(EXPIRED)
    stage.label([b"lost"], [1])
    intake.take(SCHEMA.classes)
    stage.connection.call("SET", stage.keys.unmatched, "in the way")
    with pytest.raises(Exception, match="move it aside"):
        intake.retire(fresh(stage))
    assert stage.connection.call("XLEN", stage.keys.labels) == 1


def test_a_lost_group_is_said(stage: Stage, intake_of: Maker) -> None:
    intake = intake_of()
    stage.connection.call("DEL", stage.keys.labels)
    with pytest.raises(GroupMissing):
        intake.take(SCHEMA.classes)
    with pytest.raises(GroupMissing):
        intake.retire(fresh(stage))
