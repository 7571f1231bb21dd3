"""The monitor's state: everything that decides the next windows, written with each of them."""

from __future__ import annotations

import msgspec

from core.entry import EntryId
from core.errors import StreamError
from monitor.drift_engine import EngineState
from monitor.episode import EpisodeState
from monitor.label_state import LabelState
from monitor.trail import Span, Trail

#: Version of the layout; an older monitor refuses a newer state instead of misreading it.
VERSION = 3
#: The version before had panes without a sum of calibrated probabilities, of models without calibration: what it
#: lacks is what such panes leave out now.
_UNCALIBRATED_VERSION = 2
#: The first layout was JSON, whose first byte no msgpack map has.
_JSON_VERSION, _JSON_BEGINS = 1, b"{"
#: No monitor lives to count so far, and a few more still fit 64 bits.
_UNCOUNTABLE = 2**62
#: ``row`` of an entry of which nothing is left.
WHOLE = -1


class Position(msgspec.Struct, frozen=True):
    """How far a stream is read: all of entry ``ms-seq`` (``row`` -1), or its rows or labels before ``row``."""

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

    def past(self, entry_id: EntryId, row: int | None, entries: int = 1) -> Position:
        """The position before a row of a later entry; None: behind it, the last of so many whole ``entries``."""
        read = self.entries if row is not None else self.entries + entries
        return Position(entry_id.ms, entry_id.seq, WHOLE if row is None else row, read)


class MonitorState(msgspec.Struct, frozen=True):
    """State after ``window`` windows."""

    version: int = VERSION
    window: int = 0
    slide: int = 0  #: records a pane; what was made of panes of another size is dropped
    model: str = ""  #: run that judged the panes
    positions: dict[int, Position] = {}  #: by partition; that of the labels is ``core.merged_reader.LABELS``
    spans: list[Span] = []  #: of closed panes that the next window still holds
    episode: EpisodeState = EpisodeState()
    trail: Trail = Trail()
    engine: EngineState | None = None  #: the detectors'; None: they begin
    labels: LabelState = LabelState()


class _Version(msgspec.Struct, frozen=True):
    """What can be read of a state of any version."""

    version: int


class _JsonState(msgspec.Struct, frozen=True):
    """What is taken over of a state of the first version."""

    window: int
    positions: dict[int, Position]


def encode_state(state: MonitorState) -> bytes:
    """The state as msgpack; floats and arrays read back to the bit."""
    return msgspec.msgpack.encode(state)


def decode_state(data: bytes | None) -> MonitorState:
    """Read a state; None is the beginning.

    Of a state of the first version the window's number and the positions are taken over; detectors, panes and
    episode begin anew.

    Raises
    ------
    StreamError
        Bytes that are no state, or one of a newer version.
    """
    if data is None:
        return MonitorState()
    try:
        state = _decode_json(data) if is_first_layout(data) else _decode(data)
        _check(state)
    except (msgspec.MsgspecError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise StreamError(f"the monitor's state cannot be read ({error}); delete its key to begin anew") from error
    return state


def is_first_layout(data: bytes | None) -> bool:
    """Whether a stored state is of the first version, of which not everything is taken over."""
    return data is not None and data[:1] == _JSON_BEGINS


def _decode(data: bytes) -> MonitorState:
    version = msgspec.msgpack.decode(data, type=_Version).version
    if version != _UNCALIBRATED_VERSION:
        _check_version(version, VERSION)
    return msgspec.structs.replace(msgspec.msgpack.decode(data, type=MonitorState), version=VERSION)


def _decode_json(data: bytes) -> MonitorState:
    _check_version(msgspec.json.decode(data, type=_Version).version, _JSON_VERSION)
    older = msgspec.json.decode(data, type=_JsonState)
    return MonitorState(window=older.window, positions=older.positions)


def _check_version(version: int, expected: int) -> None:
    if version != expected:
        raise StreamError(f"the monitor's state has version {version}, not {VERSION}; upgrade this monitor")


def _check(state: MonitorState) -> None:
    """Raise ValueError for values that no monitor writes: they would fail at a record, over and over."""
    counts = {"window": state.window, "calm_windows": state.episode.calm_windows, "records": state.trail.records}
    if state.engine is not None:
        counts["seen"] = state.engine.seen
    for name, count in counts.items():
        if not 0 <= count < _UNCOUNTABLE:
            raise ValueError(f"{name} is {count}")
    for number, position in state.positions.items():
        fits = all(0 <= part < 2**64 for part in (position.ms, position.seq))
        fits = fits and 0 <= position.entries < _UNCOUNTABLE
        if number < 0 or not fits or not WHOLE <= position.row < 2**31:
            raise ValueError(f"the position in partition {number} is {position}")
    state.trail.check()
    state.labels.check()
