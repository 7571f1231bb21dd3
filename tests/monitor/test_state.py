from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import EntryId
from core.errors import StreamError
from core.settings import Settings
from monitor.drift_engine import DriftEngine
from monitor.episode import Episode, EpisodeState
from monitor.state import VERSION, WHOLE, MonitorState, Position, decode_state, encode_state, is_first_layout
from monitor.trail import Run, Span, Trail
from monitor.window_engine import limits_of
from tests.monitor.scenario import make_model

IDS = st.integers(0, 2**64 - 1)
POSITIONS = st.builds(Position, IDS, IDS, st.integers(-1, 10**6), st.integers(0, 10**15))
#: As the first version of the monitor wrote it.
OLDER: dict[str, Any] = {
    "version": 1,
    "window": 7,
    "slide": 50,
    "model": "run",
    "positions": {
        "0": {"ms": 5, "seq": 3, "row": 7, "entries": 12},
        "2": {"ms": 9, "seq": 0, "row": -1, "entries": 1},
    },
    "panes": [
        {
            "n": 50,
            "skipped": 0,
            "z_sum": [0.5],
            "constant_changed": [0],
            "p_sum": 3.0,
            "first": "a",
            "last": "b",
            "first_entry": "1-0",
            "last_entry": "2-0",
        }
    ],
    "episode": {
        "recent": [],
        "episode": {"number": 3, "first": "a", "since": "1-0", "model": "run"},
        "last_opened_ms": 4,
    },
}  # fmt: skip  (one line a field)


@given(
    st.dictionaries(st.integers(0, 9), POSITIONS),
    st.lists(st.builds(Span, st.text(), st.text(), st.text(), st.text()), max_size=5),
    st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=9), max_size=5),
    IDS,
)
def test_state_reads_back_to_the_bit(
    positions: dict[int, Position], spans: list[Span], ids: list[list[bytes]], ms: int
) -> None:
    runs = [Run(1, ms, number, list(range(len(some))), some) for number, some in enumerate(ids)]
    trail = Trail(sum(map(len, ids)), runs)
    episode = EpisodeState(Episode(5, "a", "1-0", "run", ["cusum"], asked=True), 2, ms)
    state = MonitorState(
        window=7, slide=50, model="run", positions=positions, spans=spans, episode=episode, trail=trail
    )
    assert decode_state(encode_state(state)) == state


def test_state_of_the_detectors_reads_back_to_the_bit() -> None:
    file = make_model(("a", "b", "constant"), 1)
    engine = DriftEngine(file.profile, file.drift, limits_of(Settings(window_records=100, slide_records=50)))
    engine.take(np.random.default_rng(0).normal(size=(50, 3)), np.full(50, 0.3), stop=False)
    engine.close_pane(3, 1)
    state = MonitorState(engine=engine.state())
    assert decode_state(encode_state(state)) == state


def test_no_state_is_the_beginning() -> None:
    assert decode_state(None) == MonitorState()
    assert not is_first_layout(None)


def test_a_state_of_the_first_version_keeps_number_and_positions() -> None:
    data = msgspec.json.encode(OLDER)
    assert is_first_layout(data)
    assert decode_state(data) == MonitorState(
        window=7, positions={0: Position(5, 3, 7, 12), 2: Position(9, 0, WHOLE, 1)}
    )
    assert not is_first_layout(encode_state(decode_state(data)))


def test_a_state_of_the_second_version_is_taken_over_whole() -> None:
    file = make_model(("a", "b", "constant"), 1)
    engine = DriftEngine(file.profile, file.drift, limits_of(Settings(window_records=100, slide_records=50)))
    for seed in range(2):
        engine.take(np.random.default_rng(seed).normal(size=(50, 3)), np.full(50, 0.3), stop=False)
        engine.close_pane(3, 1)
    state = MonitorState(window=2, slide=50, model="run", engine=engine.state())
    older = msgspec.msgpack.decode(encode_state(state))
    older["version"] = 2
    assert [pane.pop("calibrated") for pane in older["engine"]["panes"]] == [None]
    assert decode_state(msgspec.msgpack.encode(older)) == state
    assert not is_first_layout(msgspec.msgpack.encode(older))


@pytest.mark.parametrize("encode", [msgspec.msgpack.encode, msgspec.json.encode])
def test_state_of_a_newer_version_is_refused_whatever_else_it_holds(encode: Any) -> None:
    newer = encode({"version": VERSION + 1, "window": {"unlike": "ours"}})
    with pytest.raises(StreamError, match=rf"has version {VERSION + 1}, not {VERSION}; upgrade"):
        decode_state(newer)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 1, "window": "x"}',
        b'{"version": 1, "window": -1, "positions": {}}',
        b"\xff",
        b"\x80",
        b'{"window": 3}',
        msgspec.msgpack.encode({"version": VERSION, "window": "x"}),
        msgspec.msgpack.encode({"version": VERSION, "window": 2**64 - 1}),
        encode_state(MonitorState(positions={0: Position(row=-2)})),
        encode_state(MonitorState(episode=EpisodeState(calm_windows=-1))),
        encode_state(MonitorState(trail=Trail(records=1))),
    ],
)
def test_bytes_that_are_no_state_are_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(StreamError, match=r"cannot be read .*; delete its key to begin anew"):
        decode_state(data)


@pytest.mark.parametrize(
    ("position", "done"),
    [
        (Position(5, 3, WHOLE), EntryId(5, 3)),
        (Position(5, 3, 7), EntryId(5, 2)),
        (Position(5, 0, 7), EntryId(4, 2**64 - 1)),
        (Position(), EntryId(0, 0)),
    ],
)
def test_a_half_consumed_entry_is_not_done(position: Position, done: EntryId) -> None:
    assert position.done == done
