"""The monitor's state as it is stored, and the mark by which one that was begun anew is told apart."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from core.connection import Connection
from core.errors import StreamError
from core.keys import PipelineKeys
from core.number import shown
from monitor.state import MonitorState, decode_state, is_first_layout

#: Field of the monitor's hash, random and made with it: after a flush the window's number alone could agree again.
INCARNATION = "incarnation"


class StoredState(NamedTuple):
    """A state and its incarnation."""

    state: MonitorState
    incarnation: bytes
    converted: bool  #: it was of the first layout: number and positions stand, the detectors begin anew


def load_state(connection: Connection, keys: PipelineKeys) -> StoredState:
    """The stored state, the beginning where there is none; one without an incarnation is given one.

    Raises
    ------
    StreamError
        A state that is not ours, or whose number does not fit.
    """
    while True:
        window, data, incarnation = connection.call("HMGET", keys.monitor, "window", "state", INCARNATION)
        if incarnation is not None:
            break
        connection.call("HSETNX", keys.monitor, INCARNATION, secrets.token_hex(8))
    state = decode_state(data)
    if (window or b"0") != b"%d" % state.window:
        raise StreamError(
            f"the monitor's state is of window {state.window} but its number is {shown(window or b'none')}; "
            f"delete {keys.monitor} to begin anew"
        )
    return StoredState(state, bytes(incarnation), is_first_layout(data))
