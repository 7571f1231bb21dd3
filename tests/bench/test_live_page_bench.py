"""The bench of the live page counts the processor time that it says it does, and its figures find their place."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from bench.live_page.page import with_page_figures
from bench.live_page.processes import browser_pids, descendants, other_threads_cpu_s, total_cpu_s
from bench.report import Document, Result

_BURN_S = 0.2
_GRANDCHILD = "import subprocess, sys; p = subprocess.Popen(['cat'], stdin=0); print(p.pid, flush=True); p.wait()"


def burn() -> None:
    """Use a processor for a while, by its own count."""
    end_s = time.thread_time() + _BURN_S
    while time.thread_time() < end_s:
        pass


def test_processes_of_processes_are_found_and_none_of_them_is_a_browser() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _GRANDCHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert {child.pid, grandchild} <= descendants(os.getpid())
        assert grandchild in descendants(child.pid)
        assert not {child.pid, grandchild} & browser_pids(os.getpid())
        assert child.stdin is not None
        child.stdin.close()


def test_a_process_that_has_ended_counts_as_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert total_cpu_s({child.pid}) == 0.0


def test_other_threads_are_counted_and_the_first_one_is_not() -> None:
    over = threading.Event()

    def work() -> None:
        burn()
        over.set()
        waiting.wait()  # the time of a thread that has ended is nobody's

    waiting = threading.Event()
    thread = threading.Thread(target=work)
    before = other_threads_cpu_s(os.getpid())
    thread.start()
    over.wait()
    after = other_threads_cpu_s(os.getpid())
    burn()
    later = other_threads_cpu_s(os.getpid())
    waiting.set()
    thread.join()
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    assert after - before >= _BURN_S - 2 * tick_s
    assert later - after < _BURN_S / 2


def test_figures_find_their_places_and_a_place_without_one_is_an_error() -> None:
    rows = [
        Result("first paint: p50", 80.0, "ms", target=300.0, met=True),
        Result("GET /api/state: p99", 3.0, "ms"),
    ]
    document = Document("python -m bench.live_page", 0, {"python": "3"}, {"cores": "2"}, rows)
    text = "<!-- live page: first paint | GET -->\nold\n<!-- end of live page -->"
    written = with_page_figures(text, document)
    assert "| first paint: p50 | 80 ms | at most 300 | yes |" in written
    assert "| GET /api/state: p99 | 3 ms |" in written
    assert "old" not in written
    with pytest.raises(ValueError, match="no row that begins with 'second'"):
        with_page_figures(text.replace("first paint | GET", "second"), document)
    with pytest.raises(ValueError, match="no place"):
        with_page_figures("", document)
