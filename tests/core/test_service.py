"""The frame of every service: back-off, readiness, an orderly end, and one JSON line a log event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from core.errors import RegistryError, SettingsError
from core.service import Service
from core.settings import Settings

Step = Callable[[], None]


class Scripted(Service):
    """Does in each step what the test wrote down, then waits to be stopped."""

    name = "scripted"

    def __init__(self, *steps: Step, start: Step = lambda: None) -> None:
        super().__init__(Settings(http_port=0), 0)
        self._steps = list(steps)
        self._start = start
        self.starts = self.closes = 0
        self.done = threading.Event()

    def start(self) -> None:
        self.starts += 1
        self._start()

    def step(self) -> None:
        if self._steps:
            self._steps.pop(0)()
        else:
            self.done.set()
            self.stopping.wait(10)

    def not_ready(self) -> str | None:
        return None

    def close(self) -> None:
        self.closes += 1


def _raise(error: Exception) -> Step:
    def step() -> None:
        raise error

    return step


@pytest.fixture
def run() -> Iterator[Callable[[Scripted], None]]:
    """Run a service in a thread until its steps are done."""
    running: list[tuple[Scripted, threading.Thread]] = []

    def start(service: Scripted) -> None:
        thread = threading.Thread(target=service.run)
        thread.start()
        running.append((service, thread))
        assert service.done.wait(10)

    yield start
    for service, thread in running:
        service.stopping.set()
        thread.join(10)
        assert not thread.is_alive()
        assert service.closes == 1


def test_a_lost_server_and_a_stream_error_are_waited_out_and_a_reconnection_is_counted_once(
    run: Callable[[Scripted], None],
) -> None:
    lost = _raise(redis.exceptions.ConnectionError("gone"))
    service = Scripted(
        lost, lost, lambda: None, _raise(RegistryError("damaged")), lambda: None, lost, lambda: None
    )
    run(service)
    assert service.starts == 1
    assert (
        service.telemetry.registry.get_sample_value("streamgauge_reconnects_total", {"pipeline": "default"}) == 2
    )


def test_waiting_is_shown_until_the_service_has_worked_for_a_while(
    run: Callable[[Scripted], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float | None] = []

    def look() -> None:
        seen.append(service.telemetry.registry.get_sample_value("streamgauge_waiting", {"pipeline": "default"}))

    service = Scripted(look, _raise(RegistryError("damaged")), look, look, look)
    monkeypatch.setattr("core.service.RECOVERED_AFTER_S", -1.0)
    run(service)
    assert seen[:3] == [0, 1, 0]


def test_a_start_that_failed_is_tried_again(run: Callable[[Scripted], None]) -> None:
    errors = [redis.exceptions.BusyLoadingError("loading"), redis.exceptions.ConnectionError("away")]
    service = Scripted(start=lambda: _raise(errors.pop())() if errors else None)
    run(service)
    assert service.starts == 3


def test_what_a_person_must_mend_ends_it_and_closes() -> None:
    service = Scripted(_raise(SettingsError("partitions disagree")))
    with pytest.raises(SettingsError):
        service.run()
    assert service.closes == 1


def _run_as_process(body: str, folder: Path) -> subprocess.Popen[str]:
    """A service whose step is ``body``, under ``serve`` in a process of its own."""
    program = folder / "service.py"
    program.write_text(
        textwrap.dedent("""
        import logging, sys, threading, time, warnings
        from core.service import Service, announce, serve
        from core.settings import Settings

        class Ours(Service):
            name = "ours"
            def start(self): pass
            def not_ready(self): return None
            def close(self): pass
            def step(self):
                BODY

        sys.exit(serve(lambda: Ours(Settings(http_port=0), 0), "info"))
        """).replace("BODY", body)
    )
    return subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_0_even_while_it_spins_on_the_lock_of_its_own_event(
    tmp_path: Path, number: signal.Signals
) -> None:
    with _run_as_process("self.stopping.wait(0)", tmp_path) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "listening"
        assert json.loads(process.stdout.readline())["event"] == "ready"
        process.send_signal(number)
        assert process.wait(10) == 0


def test_a_bug_a_library_and_a_warning_are_json_lines_too(tmp_path: Path) -> None:
    body = (
        'logging.getLogger("lib").warning("queue %d", 1); warnings.warn("old", stacklevel=1); '
        'thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join(); {}["bug"]'
    )
    with _run_as_process(body, tmp_path) as process:
        _, errors = process.communicate(timeout=20)
    lines = [json.loads(line) for line in errors.splitlines()]
    assert process.returncode == 1
    assert {"library", "crashed", "stopped"} <= {line["event"] for line in lines}
    assert "queue 1" in {line["detail"] for line in lines if line.get("library") == "lib"}
    assert {line["error"] for line in lines if line["event"] == "crashed"} == {
        "ZeroDivisionError: division by zero",
        "KeyError: 'bug'",
    }
    assert any("old" in line["detail"] for line in lines if line.get("library") == "py.warnings")
    assert {(line["service"], line["pipeline"]) for line in lines} == {("ours", "default")}
