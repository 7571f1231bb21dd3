"""``GET /api/state``: answered from what was composed last, with its age, whatever the server does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest
from structlog.testing import capture_logs

from core.connection import Connection
from core.log import logger
from core.settings import Settings
from monitor.live.reader import LiveReader
from monitor.live.state import LiveState
from monitor.page import composer as module
from monitor.page.composer import StateComposer
from tests.monitor.running import get, running
from tests.servers import PATIENCE_S, free_port, wait_until


@pytest.fixture
def settings(server_url: str, pipeline: str) -> Settings:
    return Settings(redis_url=server_url, pipeline=pipeline, http_port=0)


@pytest.fixture
def composer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateComposer]:
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    found = StateComposer(settings, logger("monitor", settings.pipeline))
    yield found
    found.close()


def decoded(body: bytes) -> LiveState:
    return msgspec.json.decode(body, type=LiveState)


def test_the_first_request_waits_for_a_state(composer: StateComposer, settings: Settings) -> None:
    state = decoded(composer.newest())
    assert (state.pipeline, state.problem) == (settings.pipeline, None)
    assert 0 <= state.age_s < PATIENCE_S
    assert state.now_ms > 0


def test_later_requests_see_later_looks(composer: StateComposer) -> None:
    first = decoded(composer.newest()).now_ms
    wait_until(lambda: decoded(composer.newest()).now_ms > first, "a later look")


def test_opening_the_page_begins_to_compose(composer: StateComposer) -> None:
    composer.wake()
    assert composer._fresh.wait(PATIENCE_S)
    assert decoded(b'{"age_s":0,' + composer._composed.rest).problem is None


def test_nothing_is_composed_while_nobody_asks(composer: StateComposer, monkeypatch: pytest.MonkeyPatch) -> None:
    composer.newest()
    monkeypatch.setattr(module, "ASKED_WITHIN_S", 0.0)
    wait_until(lambda: not composer._asked.is_set(), "a pause")
    before = composer._composed
    assert not composer._asked.wait(0.1)
    assert composer._composed is before
    monkeypatch.setattr(module, "ASKED_WITHIN_S", 5.0)
    composer._asked_s = float("-inf")
    composer._composed = before._replace(looked_s=float("-inf"))
    assert decoded(composer.newest()).now_ms > decoded(b'{"age_s":0,' + before.rest).now_ms


def test_after_a_short_pause_a_young_state_is_answered_at_once(
    composer: StateComposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY_S", PATIENCE_S)  # it is some time until the next look
    first = decoded(composer.newest())
    composer._asked_s = float("-inf")
    again = decoded(composer.newest())
    assert (again.now_ms, composer._fresh.is_set()) == (first.now_ms, True)


def test_nobody_waits_for_a_look_of_a_monitor_that_ends(
    composer: StateComposer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_: float) -> bool:
        raise AssertionError("it waits")

    composer.close()
    composer._fresh.clear()
    monkeypatch.setattr(composer._fresh, "wait", wait)
    assert decoded(composer.newest()).pipeline == settings.pipeline


def test_a_lost_server_keeps_the_last_state_and_says_so_once(
    composer: StateComposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = decoded(composer.newest())
    with capture_logs() as lines, Connection(f"redis://127.0.0.1:{free_port()}/0") as nobody:
        monkeypatch.setattr(composer._reader, "_connection", nobody)
        wait_until(lambda: decoded(composer.newest()).problem is not None, "a problem")
        one = decoded(composer.newest())
        wait_until(lambda: decoded(composer.newest()).age_s > one.age_s + 0.05, "a state that grows old")
    bad = decoded(composer.newest())
    assert bad.now_ms >= good.now_ms
    assert bad.drift == good.drift
    assert [line["event"] for line in lines] == ["live state not fresh"]


def test_a_fault_of_ours_is_a_problem_and_is_mended_by_the_next_look(
    composer: StateComposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    read = LiveReader.read

    def stumble(reader: LiveReader) -> LiveState:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        return read(reader)

    monkeypatch.setattr(LiveReader, "read", stumble)
    with capture_logs() as lines:
        composer.newest()
        assert failed.wait(PATIENCE_S)
        wait_until(lambda: decoded(composer.newest()).problem is None, "a look that succeeds")
    assert "ZeroDivisionError" in str(lines[0]["error"])


def test_a_server_that_hangs_keeps_one_request_waiting_and_no_other(
    composer: StateComposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, going_on = threading.Event(), threading.Event()

    def hang(_: LiveReader) -> LiveState:
        hanging.set()
        going_on.wait(PATIENCE_S)
        raise ZeroDivisionError

    monkeypatch.setattr(LiveReader, "read", hang)
    monkeypatch.setattr(module, "FIRST_S", PATIENCE_S)
    waiting = threading.Thread(target=composer.newest)
    waiting.start()
    assert hanging.wait(PATIENCE_S)
    state = decoded(composer.newest())
    assert waiting.is_alive()
    assert state.problem == "Redis has not answered yet"
    going_on.set()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


def test_a_monitor_serves_its_page_and_the_state(settings: Settings) -> None:
    with running(settings) as monitor:
        status, body = get(monitor, "/api/state")
        assert (status, decoded(body.encode()).pipeline) == (200, settings.pipeline)
        status, page = get(monitor, "/")
        assert (status, page[:15].lower()) == (200, "<!doctype html>")
        assert get(monitor, "/index.html")[0] == 404
