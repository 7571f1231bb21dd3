"""The trail beside a list of every record."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.trail import EXACT_RECORDS, PANE_STARTS, PaneStart, Place, Run, Span, Trail, whole

#: Rows of an entry, and whether a pane begins with it.
ENTRIES = st.lists(st.tuples(st.integers(1, 90), st.booleans(), st.booleans()), min_size=1, max_size=120)


@dataclass
class Everything:
    """What the trail may forget: all records, and which of them began a pane."""

    trail: Trail = field(default_factory=Trail)
    records: list[tuple[str, str, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def add(self, rows: int, named: bool, opens: bool) -> None:
        """One entry; every second of its rows was unusable."""
        number = len(self.records)
        ids = [b"id%d" % (number + row) for row in range(rows)] if named else None
        run = Run(1, 7_000 + number, 3, [2 * row for row in range(rows)], ids)
        entry = f"{run.ms}-3"
        opens = opens or not self.records
        self.starts += [number] if opens else []
        first = Run(1, run.ms, 3, [0], None if ids is None else ids[:1])
        self.trail = self.trail.extended(rows, [run], opens_pane=first if opens else None)
        names = [f"id{number + row}" if named else f"1-{entry}-{2 * row}" for row in range(rows)]
        self.records += [(name, entry, 2 * row) for row, name in enumerate(names)]

    def expected(self, back: int) -> Place:
        """The record itself, or the oldest known one behind it."""
        count = len(self.records)
        wanted = max(count - back, 0)
        known = set(range(max(0, count - EXACT_RECORDS), count)) | set(self.starts[-PANE_STARTS:])
        number = min(place for place in known if place >= wanted)
        record, entry, row = self.records[number]
        return Place(record, entry, count - number, 1, row)


@given(ENTRIES, st.integers(1, 12_000))
def test_it_finds_the_record_or_the_oldest_known_one_behind_it(
    entries: list[tuple[int, bool, bool]], back: int
) -> None:
    everything = Everything()
    for rows, named, opens in entries:
        everything.add(rows, named, opens)
    total = len(everything.records)
    for ago in {1, back, total, min(back, total), EXACT_RECORDS, EXACT_RECORDS + 1}:
        assert everything.trail.locate(ago) == everything.expected(ago)
    assert sum(len(run.rows) for run in everything.trail.runs) == min(total, EXACT_RECORDS)
    everything.trail.check()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(everything.trail), type=Trail) == everything.trail


def test_long_panes_are_known_by_their_beginnings_alone() -> None:
    everything = Everything()
    for _ in range(PANE_STARTS + 6):
        everything.add(300, named=False, opens=True)
    total = 300 * (PANE_STARTS + 6)
    assert everything.trail.locate(200).back == 200
    assert everything.trail.locate(201).back == 200
    assert everything.trail.locate(300).back == 300
    assert everything.trail.locate(700).back == 600
    assert everything.trail.locate(total).back == 300 * PANE_STARTS


def test_before_any_record_nothing_is_located() -> None:
    assert Trail().locate(5) == Place("", "", 0)


def test_a_trail_of_plain_records_is_small() -> None:
    everything = Everything()
    for _ in range(500):
        everything.add(1, named=False, opens=False)
    assert len(msgspec.msgpack.encode(everything.trail)) < 25 * EXACT_RECORDS


@pytest.mark.parametrize(
    "trail",
    [
        Trail(records=3),
        Trail(records=1, runs=[Run(0, 5, 0, [0, 1])]),
        Trail(records=1, runs=[Run(0, 5, 0, [-1])]),
        Trail(records=1, runs=[Run(-1, 5, 0, [0])]),
        Trail(records=1, runs=[Run(0, 2**64, 0, [0])]),
        Trail(records=1, runs=[Run(0, 5, 0, [0], [b"a", b"b"])]),
        Trail(records=1, runs=[Run(0, 5, 0, [0]), Run(0, 5, 0, [])]),
        Trail(records=1, runs=[Run(0, 5, 0, [0])], starts=[PaneStart(1, Run(0, 5, 0, [0]))]),
        Trail(records=2, runs=[Run(0, 5, 0, [0, 1])], starts=[PaneStart(0, Run(0, 5, 0, [0]))] * 2),
        Trail(records=-1),
    ],
)
def test_a_trail_that_no_monitor_writes_is_refused(trail: Trail) -> None:
    with pytest.raises(ValueError, match="trail"):
        trail.check()


def test_a_window_reaches_from_the_first_record_of_its_panes_to_the_last() -> None:
    empty, one, two = Span(), Span("a", "1-0", "b", "2-0"), Span("c", "3-0", "d", "4-0")
    assert whole([empty, one, empty, two, empty]) == Span("a", "1-0", "d", "4-0")
    assert whole([empty]) == whole([]) == Span()
