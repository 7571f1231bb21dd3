"""What anybody may write into the monitor's hash is used, or refused with a sentence; it never kills a monitor."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.chaos.garbage import ODD_TEXTS, texts
from bench.chaos.workload import SCHEMA, first_model
from core.connection import Connection, RedisError
from core.entry import Entry, EntryId
from core.errors import StreamError, StreamgaugeError
from core.keys import PipelineKeys
from core.log import logger
from core.merged_reader import PlacedEntry
from core.record_encoder import encode_block
from core.settings import Settings
from monitor.drift_engine import DriftEngine, EngineState
from monitor.model_timeline import JudgingModel
from monitor.poison import PoisonGuard
from monitor.state import MonitorState, decode_state, encode_state
from monitor.window_engine import ClosedWindow, WindowEngine, limits_of
from tests.fuzz.attempt import attempt
from tests.fuzz.profile import fuzz, fuzz_server

SETTINGS = Settings(window_records=20, slide_records=10, window_min_records=5)
MODEL = JudgingModel("run", first_model(0))
WHOLE = encode_state(MonitorState(window=3, slide=10, model="run"))


class _OneModel:
    """A timeline on which nothing was ever promoted again."""

    def at(self, time_ms: int) -> JudgingModel:  # noqa: ARG002  (the protocol's)
        return MODEL


def _numbers() -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, 12), st.sampled_from((-1, 2**31, 2**62, 2**63, 2**64 - 1)))


def _short() -> st.SearchStrategy[str]:
    return st.sampled_from(("", "a", "1-1", "-", "99999999999999999999999-1", "x-y"))


def _arrays() -> st.SearchStrategy[bytes]:
    """Bytes of arrays: of some length, or none; values may be anything, not numbers included."""
    lengths = st.sampled_from((0, 1, 4, 5, 6, 8, 32, 40, 48, 56))
    values = st.sampled_from((0, 1, 2**62, -1, 0x7FF0000000000000, 0x7FF8000000000000))
    return st.one_of(
        st.binary(max_size=20),
        st.tuples(lengths, values).map(lambda drawn: np.full(drawn[0], drawn[1], dtype="<i8").tobytes()),
        lengths.map(lambda length: np.linspace(-1.0, 1.0, length).astype("<f8").tobytes()),
    )


def _runs() -> st.SearchStrategy[list[Any]]:
    rows, ids = st.lists(_numbers(), max_size=3), st.none() | st.lists(st.binary(max_size=3))
    return st.tuples(_numbers(), _numbers(), _numbers(), rows, ids).map(list)


@st.composite
def engines(draw: st.DrawFn) -> dict[str, Any]:
    """The detectors' part as an engine wrote it, with some values that none writes."""
    engine: dict[str, Any] = msgspec.to_builtins(_engine_state(), builtin_types=(bytes,))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(("seen", "previous", "recent", "panes", "detectors")))
        if name == "seen":
            engine[name] = draw(_numbers())
        elif name in {"previous", "recent"}:
            engine[name] = draw(_arrays())
        else:
            _spoil(draw, draw(st.sampled_from(engine[name])))
            engine[name] = draw(st.sampled_from((engine[name], engine[name][:1], engine[name] * 2)))
    return engine


def _spoil(draw: st.DrawFn, part: dict[str, Any]) -> None:
    """Another value in the place of one of a pane or a detector."""
    name = draw(st.sampled_from(sorted(part)))
    part[name] = draw(_arrays()) if isinstance(part[name], bytes) else draw(_numbers())


def _engine_state() -> EngineState:
    """After some records."""
    engine = DriftEngine(MODEL.file.profile, MODEL.file.drift, limits_of(SETTINGS))
    x = np.tile(MODEL.file.model.center, (10, 1))
    for _ in range(2):
        engine.take(x, np.full(len(x), 0.5), stop=False)
        engine.close_pane(1, 0)
    return engine.state()


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """A state of the right shape, with values that no monitor writes."""
    episode = st.fixed_dictionaries(
        {
            "number": _numbers(),
            "first": _short(),
            "since": _short(),
            "model": _short(),
            "alarmed": st.lists(_short(), max_size=2),
            "asked": st.booleans(),
        }
    )
    position = st.fixed_dictionaries(
        {"ms": _numbers(), "seq": _numbers(), "row": _numbers(), "entries": _numbers()}
    )
    trail = st.fixed_dictionaries(
        {
            "records": st.integers(0, 4) | _numbers(),
            "runs": st.lists(_runs(), max_size=2),
            "starts": st.lists(st.tuples(_numbers(), _runs()).map(list), max_size=2),
        }
    )
    return {
        "version": 2,
        "window": draw(_numbers()),
        "slide": draw(st.sampled_from((10, 0, -1, 3))),
        "model": draw(st.sampled_from(("run", "", "other"))),
        "positions": {0: draw(position)} if draw(st.booleans()) else {},
        "spans": draw(st.lists(st.lists(_short(), min_size=4, max_size=4), max_size=4)),
        "episode": {
            "episode": draw(st.none() | episode),
            "calm_windows": draw(_numbers()),
            "last_asked_ms": draw(st.none() | _numbers()),
        },
        "trail": draw(st.just({}) | trail),
        "engine": draw(st.none() | engines()),
    }


@fuzz
@given(st.integers(0, len(WHOLE)), st.binary(max_size=6), st.integers(0, len(WHOLE)))
def test_bytes_that_are_no_state_are_refused(at: int, change: bytes, end: int) -> None:
    damaged = (WHOLE[:at] + change + WHOLE[at + len(change) :])[:end]
    _, error = attempt(lambda: decode_state(damaged), StreamError)
    assert error is None or "begin anew" in str(error) or "upgrade" in str(error)


@fuzz
@given(states())
def test_a_state_of_the_right_shape_is_refused_or_windows_close_on_it(document: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode(document)
    entry = Entry(b"1700000000000-0", encode_block(np.tile(MODEL.file.model.center, (20, 1)), SCHEMA))
    placed = PlacedEntry(0, EntryId(1_700_000_000_000, 0), entry)

    def windows() -> list[ClosedWindow]:
        return list(WindowEngine(SETTINGS, decode_state(data), _OneModel()).feed([placed]))

    closed, refused = attempt(windows, StreamgaugeError)
    if closed is None:
        assert "begin anew" in str(refused)
    else:
        assert closed
        assert all(decode_state(encode_state(window.state)) == window.state for window in closed)


@fuzz_server
@given(
    st.dictionaries(
        st.sampled_from(("starts", "trying", "suspect", "deaths")), st.one_of(texts(), st.sampled_from(ODD_TEXTS))
    )
)
def test_garbage_in_the_death_counts_is_waited_out_or_overwritten(
    connection: Connection, keys: PipelineKeys, fields: dict[str, bytes]
) -> None:
    connection.call("DEL", keys.monitor)
    for field, value in fields.items():
        connection.call("HSET", keys.monitor, field, value)
    settings = Settings(pipeline=keys.pipeline)
    guard, refused = attempt(
        lambda: PoisonGuard(connection, keys, settings, logger("monitor", keys.pipeline)),
        StreamgaugeError,
        RedisError,
    )
    assert str(refused) if guard is None else list(guard.parts([], {}, lambda: None)) in ([], [[]])
