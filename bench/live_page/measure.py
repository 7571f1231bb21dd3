"""What the page costs: until it is seen, while it is open, and for each request of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.http_client import HttpClient
from bench.live_page.processes import browser_pids, other_threads_cpu_s, total_cpu_s
from bench.live_page.stream import Stream
from bench.machine import cpu_s
from bench.percentile import percentile
from bench.report import Report

#: The window that it is seen in.
_WINDOW = {"width": 1280, "height": 900}
#: A page is open in the foreground, and then a blank one, in turns.
_ROUNDS = 3
#: Times that the page is opened, each with an empty cache.
_LOADS = 20
#: Requests of each kind, and how far apart: other than the page's second, so that they meet every moment of it.
_REQUESTS, _APART_S = 400, 0.02
#: Targets of the issue.
_PAINT_MS, _CORE_PERCENT, _REQUEST_MS = 300.0, 2.0, 20.0

#: Waits until the browser has told when something was first seen.
_FIRST_PAINT = """
() => new Promise((resolve) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) resolve(entry.startTime);
}).observe({type: "paint", buffered: true}))
"""


@dataclass(frozen=True)
class Used:
    """Processor time while a page was open, in percent of one core."""

    browser: float
    monitor: float
    monitor_others: float  #: its threads but the one that works on the stream
    server: float


def measure_paint(browser: Any, url: str, report: Report) -> None:
    """First paint of the page, and of the shortest answer that the same service gives."""
    for path, name in (("/", "first paint"), ("/healthz", "first paint, /healthz alone")):
        found = [_first_paint_ms(browser, url + path) for _ in range(_LOADS)]
        target = _PAINT_MS if path == "/" else None
        report.add(f"{name}: p50 of {_LOADS} loads", percentile(found, 50), "ms", at_most=target)
        report.add(f"{name}: p95", percentile(found, 95), "ms", at_most=target)


def _first_paint_ms(browser: Any, url: str) -> float:
    context = browser.new_context(viewport=_WINDOW)
    try:
        page = context.new_page()
        page.goto(url)
        return float(page.evaluate(_FIRST_PAINT))
    finally:
        context.close()


def measure_open(browser: Any, stream: Stream, seconds: float, report: Report, say: Callable[[str], None]) -> None:
    """Processor time with the page open in the foreground, beside a blank one."""
    opened: list[Used] = []
    blank: list[Used] = []
    for number in range(_ROUNDS):
        for url, found in (("about:blank", blank), (stream.monitor.http + "/", opened)):
            say(f"{url} open, round {number + 1} of {_ROUNDS}")
            found.append(_use(browser, url, stream, seconds))
    every = {
        "browser": ("processor time of the browser, page open", _CORE_PERCENT),
        "monitor_others": ("processor time of the monitor's threads that serve it", _CORE_PERCENT),
        "monitor": ("processor time of the monitor, all of it", None),
        "server": ("processor time of the server", None),
    }
    for field, (name, target) in every.items():
        with_page = median(getattr(used, field) for used in opened)
        without = median(getattr(used, field) for used in blank)
        more = median(getattr(a, field) - getattr(b, field) for a, b in zip(opened, blank, strict=True))
        report.add(name, with_page, "% of a core", ("a blank page open", without))
        report.add(f"{name}: more than with a blank page", more, "% of a core", at_most=target)


def _use(browser: Any, url: str, stream: Stream, seconds: float) -> Used:
    context = browser.new_context(viewport=_WINDOW)
    page = context.new_page()
    page.goto(url)
    page.bring_to_front()
    time.sleep(seconds / 4)  # opening is not what is measured, nor is what the page before it left
    monitor = stream.monitor.pid or 0

    def look() -> tuple[float, float, float, float]:
        return (
            total_cpu_s(browser_pids(os.getpid())),
            cpu_s(monitor) or 0.0,
            other_threads_cpu_s(monitor),
            cpu_s(stream.server.pid) or 0.0,
        )

    before, begin_s = look(), time.perf_counter()
    time.sleep(seconds)
    after, elapsed_s = look(), time.perf_counter() - begin_s
    context.close()
    return Used(*(100 * (now - then) / elapsed_s for now, then in zip(after, before, strict=True)))


def measure_requests(url: str, report: Report) -> None:
    """Time of ``GET /api/state`` and, in turns, of the shortest answer that the same service gives."""
    client = HttpClient(urlsplit(url).port or 80)
    found: dict[str, list[float]] = {"/api/state": [], "/healthz": []}
    try:
        size = len(client.post(_get("/api/state")))  # the first after a pause makes the state
        for _ in range(_REQUESTS):
            for path, times in found.items():
                begin_s = time.perf_counter()
                client.post(_get(path))
                times.append(1e3 * (time.perf_counter() - begin_s))
            time.sleep(_APART_S)
    finally:
        client.close()
    for path, times in found.items():
        for percent in (50, 99):
            target = _REQUEST_MS if path == "/api/state" and percent == 99 else None
            report.add(f"GET {path}: p{percent} of {_REQUESTS}", percentile(times, percent), "ms", at_most=target)
    report.add("GET /api/state: size", size / 1024, "KiB")


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
