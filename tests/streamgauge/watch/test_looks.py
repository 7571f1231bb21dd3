"""Looks go on whatever happens to the server."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from redis.exceptions import ConnectionError as LostConnection

from core.errors import RegistryError
from monitor.live.state import LiveState
from streamgauge.watch.looks import Looks
from tests.servers import PATIENCE_S
from tests.streamgauge.watch.states import drifting_state, empty_state

URL = "redis://:secret@127.0.0.1:1/0"


def reader_of(*answers: LiveState | Exception) -> Callable[[], LiveState]:
    left = list(answers)

    def read() -> LiveState:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return read


def nothing() -> None:
    """Nobody waits."""


def test_a_lost_server_keeps_the_last_state_and_is_named_without_its_password() -> None:
    found = Looks(reader_of(drifting_state(), LostConnection("refused"), empty_state()), URL, nothing)
    found.look()
    assert (found.newest().state, found.newest().lost, found.newest().number) == (drifting_state(), None, 1)
    found.look()
    lost = found.newest().lost
    assert lost is not None
    assert "127.0.0.1:1" in lost
    assert "secret" not in lost
    assert found.newest().state == drifting_state()
    found.look()
    assert (found.newest().state, found.newest().lost, found.newest().number) == (empty_state(), None, 3)


def test_an_error_of_ours_is_its_sentence() -> None:
    found = Looks(reader_of(RegistryError("the registry is damaged; mend it")), URL, nothing)
    found.look()
    assert found.newest().lost == "the registry is damaged; mend it"


def test_what_nobody_foresaw_is_raised_where_somebody_waits() -> None:
    told = threading.Event()
    with Looks(reader_of(TypeError("a bug")), URL, told.set) as looks:
        assert told.wait(PATIENCE_S)
        with pytest.raises(TypeError, match="a bug"):
            looks.newest()


def test_looks_go_on_beside_the_caller_until_it_leaves() -> None:
    twice = threading.Event()
    numbers: list[int] = []

    def notify() -> None:
        numbers.append(following.newest().number)
        if len(numbers) == 2:
            twice.set()

    following = Looks(drifting_state, URL, notify)
    with following:
        assert twice.wait(PATIENCE_S)
    assert numbers[:2] == [1, 2]
