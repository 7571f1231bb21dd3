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
from monitor.model_timeline import JudgingModel
from monitor.poison import PoisonGuard
from monitor.state import MonitorState, decode_state, encode_state
from monitor.window_engine import ClosedWindow, WindowEngine
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
    return st.one_of(st.integers(0, 12), st.sampled_from((-1, 2**31, 2**62, 2**64, 10**30)))


def _short() -> st.SearchStrategy[str]:
    return st.sampled_from(("", "a", "1-1", "-", "99999999999999999999999-1", "x-y"))


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """A state of the right shape, with values that no monitor writes."""
    odd = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just(0.0))
    pane = st.fixed_dictionaries(
        {
            "n": _numbers(),
            "skipped": _numbers(),
            "z_sum": st.lists(odd, min_size=4, max_size=4) | st.lists(odd, max_size=5),
            "constant_changed": st.lists(st.integers(0, 9), min_size=4, max_size=4)
            | st.lists(_numbers(), max_size=5),
            "p_sum": odd,
            "first": _short(),
            "last": _short(),
            "first_entry": _short(),
            "last_entry": _short(),
        }
    )
    judged = st.fixed_dictionaries(
        {
            "window": _numbers(),
            "drifted": st.booleans(),
            "calm": st.booleans(),
            "first": _short(),
            "first_entry": _short(),
        }
    )
    episode = st.fixed_dictionaries(
        {"number": _numbers(), "first": _short(), "since": _short(), "model": _short()}
    )
    position = st.fixed_dictionaries(
        {"ms": _numbers(), "seq": _numbers(), "row": _numbers(), "entries": _numbers()}
    )
    return {
        "version": 1,
        "window": draw(_numbers()),
        "slide": draw(st.sampled_from((10, 0, -1, 3))),
        "model": draw(st.sampled_from(("run", "", "other"))),
        "positions": {"0": draw(position)} if draw(st.booleans()) else {},
        "panes": draw(st.lists(pane, max_size=4)),
        "episode": {
            "recent": draw(st.lists(judged, max_size=4)),
            "episode": draw(st.none() | episode),
            "last_opened_ms": draw(st.none() | _numbers()),
        },
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
    data = msgspec.json.encode(document)
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
    assert str(refused) if guard is None else list(guard.parts([])) in ([], [[]])
