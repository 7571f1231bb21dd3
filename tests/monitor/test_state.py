from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import EntryId
from core.errors import StreamError
from monitor.pane import PaneSums
from monitor.state import VERSION, WHOLE, MonitorState, Position, decode_state, encode_state

IDS = st.integers(0, 2**64 - 1)
COUNTS = st.integers(0, 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(
        st.integers(0, 9), st.builds(Position, IDS, IDS, st.integers(-1, 10**6), st.integers(0, 10**15))
    ),
    st.lists(
        st.builds(
            PaneSums,
            COUNTS,
            COUNTS,
            st.lists(FINITE),
            st.lists(COUNTS),
            FINITE,
            st.text(),
            st.text(),
            st.text(),
            st.text(),
        )  # fmt: skip  (in the order of the fields)
    ),
)
def test_state_reads_back_to_the_bit(positions: dict[int, Position], panes: list[PaneSums]) -> None:
    state = MonitorState(window=7, slide=50, model="run", positions=positions, panes=panes)
    assert decode_state(encode_state(state)) == state


def test_no_state_is_the_beginning() -> None:
    assert decode_state(None) == MonitorState()


def test_state_of_a_newer_version_is_refused_whatever_else_it_holds() -> None:
    newer = msgspec.json.encode({"version": VERSION + 1, "window": {"unlike": "ours"}})
    with pytest.raises(StreamError, match=rf"has version {VERSION + 1}, not {VERSION}; upgrade"):
        decode_state(newer)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 1, "window": "x"}', b"\xff", b'{"window": 3}'])
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
