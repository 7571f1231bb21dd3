"""``streamgauge status --watch``: a screen that follows a pipeline, or a line a look where there is no screen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing

from rich.console import Console, Group
from rich.live import Live

from core.connection import Connection
from core.settings import Settings
from monitor.live.reader import LiveReader
from monitor.live.state import LiveState
from streamgauge.watch.glyphs import Glyphs, glyphs_for
from streamgauge.watch.layout import screen
from streamgauge.watch.lines import state_line, text_line
from streamgauge.watch.looks import EVERY_S, Looks
from streamgauge.watch.terminal import Terminal, Waker, stop_here


def watch(
    connection: Connection, settings: Settings, console: Console, *, as_json: bool, count: int | None
) -> None:
    """Follow a pipeline until q or Ctrl-C, or for ``count`` looks; the server must have answered once.

    A screen where ``console`` is a terminal that can move its cursor; else, and for ``--json``, a line a look.
    """
    read = LiveReader(connection, settings).read
    if as_json or not console.is_terminal or console.is_dumb_terminal:
        _print_lines(read, connection.url, as_json=as_json, count=count)
    else:
        _show_screen(read, connection.url, console, count=count)


def _print_lines(read: Callable[[], LiveState], url: str, *, as_json: bool, count: int | None) -> None:
    printed = 0
    with (
        closing(Waker()) as waker,
        Terminal(waker, keys=False) as terminal,
        Looks(read, url, waker.wake) as looks,
    ):
        while count is None or printed < count:
            terminal.wait(EVERY_S)
            look = looks.newest()
            if look.number > printed:
                printed = look.number
                sys.stdout.write((state_line(look) if as_json else text_line(look)) + "\n")
                sys.stdout.flush()


def _show_screen(read: Callable[[], LiveState], url: str, console: Console, *, count: int | None) -> None:
    glyphs = glyphs_for(console)
    with closing(Waker()) as waker, Looks(read, url, waker.wake) as looks:
        while _until_suspended(looks, waker, console, glyphs, count):
            stop_here()


def _until_suspended(looks: Looks, waker: Waker, console: Console, glyphs: Glyphs, count: int | None) -> bool:
    """Show the screen; True where Ctrl-Z ended it, False where it is over."""
    with Terminal(waker) as terminal, Live(console=console, screen=True, auto_refresh=False) as live:
        while count is None or looks.newest().number < count:
            width, height = console.size
            drawn = screen(looks.newest(), width, height, glyphs, keys=terminal.has_keys)
            live.update(Group(*drawn), refresh=True)
            if not terminal.wait(EVERY_S):
                return False
            if terminal.suspended:
                return True
    return False
