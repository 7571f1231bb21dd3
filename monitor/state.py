"""The monitor's state: everything that decides the next windows, written with each of them."""

from __future__ import annotations

import msgspec

from core.entry import EntryId
from core.errors import StreamError
from monitor.episode import EpisodeState
from monitor.pane import PaneSums

#: Version of the layout; an older monitor refuses a newer state instead of misreading it.
VERSION = 1
#: ``row`` of an entry of which nothing is left.
WHOLE = -1


class Position(msgspec.Struct, frozen=True):
    """How far one partition is read: all of entry ``ms-seq`` (``row`` -1), or its rows before ``row``."""

    ms: int = 0
    seq: int = 0
    row: int = WHOLE
    entries: int = 0  #: entries wholly read, what the marker group reports

    @property
    def entry_id(self) -> EntryId:
        """The entry as an id."""
        return EntryId(self.ms, self.seq)

    @property
    def done(self) -> EntryId:
        """Everything up to here is wholly read."""
        return self.entry_id if self.row == WHOLE else self.entry_id.before


class MonitorState(msgspec.Struct, frozen=True):
    """State after ``window`` windows."""

    version: int = VERSION
    window: int = 0
    slide: int = 0  #: records a pane; panes of another size are dropped
    model: str = ""  #: run that judged the panes
    positions: dict[int, Position] = {}
    panes: list[PaneSums] = []  #: closed panes that the next window still holds
    episode: EpisodeState = EpisodeState()


class _Version(msgspec.Struct, frozen=True):
    """What can be read of a state of any version."""

    version: int


def encode_state(state: MonitorState) -> bytes:
    """The state as JSON; floats read back to the bit."""
    return msgspec.json.encode(state)


def decode_state(data: bytes | None) -> MonitorState:
    """Read a state; None is the beginning.

    Raises
    ------
    StreamError
        Bytes that are no state, or one of a newer version.
    """
    if data is None:
        return MonitorState()
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version != VERSION:
            raise StreamError(f"the monitor's state has version {version}, not {VERSION}; upgrade this monitor")
        state = msgspec.json.decode(data, type=MonitorState)
        _check(state)
    except (msgspec.MsgspecError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise StreamError(f"the monitor's state cannot be read ({error}); delete its key to begin anew") from error
    return state


def _check(state: MonitorState) -> None:
    """Raise ValueError for values that no monitor writes: they would fail at a record, over and over."""
    if state.window < 0:
        raise ValueError(f"window is {state.window}")
    for number, position in state.positions.items():
        fits = all(0 <= part < 2**64 for part in (position.ms, position.seq, position.entries))
        if number < 0 or not fits or not WHOLE <= position.row < 2**31:
            raise ValueError(f"the position in partition {number} is {position}")
    counts = [count for pane in state.panes for count in (pane.n, pane.skipped, *pane.constant_changed)]
    if not all(0 <= count < 2**63 for count in counts):
        raise ValueError("a pane counts what cannot be counted")
