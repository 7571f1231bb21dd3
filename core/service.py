"""The frame of every service: signals, readiness, HTTP, logs, back-off, and an orderly end.

A service gives the frame its ``start``, ``step`` and ``close``; the frame turns the loop, survives a lost server
with growing pauses, says so once, and ends when asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from core.advice import advice
from core.connection import CONNECTION_ERRORS, RedisError
from core.errors import StreamgaugeError, UsageError
from core.http import HttpServer, Request, Response, Routes, error_response, json_response
from core.log import configure_logs, logger, name_logs
from core.package_version import package_version
from core.settings import Settings
from core.telemetry import Telemetry
from core.tracing import start_tracing

#: First and longest pause after an error; each is drawn below its limit, so that workers do not march in step.
BACKOFF_FIRST_S = 0.05
BACKOFF_LONGEST_S = 2.0
#: A service that has worked for so long since its last error counts as recovered.
RECOVERED_AFTER_S = 2.0
#: /healthz fails when the loop has not turned for so long; a step takes far less, even on a slow machine.
ALIVE_WITHIN_S = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Service(ABC):
    """One service of a pipeline.

    Parameters
    ----------
    settings
        All settings.
    default_http_port
        Used where ``http_port`` is unset.
    """

    name: str
    #: Of the names of its metrics.
    metrics_prefix = "streamgauge"

    def __init__(self, settings: Settings, default_http_port: int) -> None:
        self.settings = settings
        self.telemetry = Telemetry(settings.pipeline, self.metrics_prefix)
        self.telemetry.show_service(package_version())
        self.log = logger(self.name, settings.pipeline)
        self.tracer = start_tracing(settings, self.name, self._complain_of_tracing)
        self.stopping = threading.Event()
        self._asking = threading.Lock()
        self._turned_s = time.monotonic()
        port = settings.http_port if settings.http_port is not None else default_http_port
        self.http = HttpServer(settings.http_host, port, {**self._common_routes(), **self.routes()})

    @abstractmethod
    def start(self) -> None:
        """Prepare; called again after the server was lost before it succeeded."""

    @abstractmethod
    def step(self) -> None:
        """Do one piece of work, waiting for it at most a second or so."""

    @abstractmethod
    def not_ready(self) -> str | None:
        """Why the service cannot do its work now, or None."""

    @abstractmethod
    def close(self) -> None:
        """Hand back what is held; called once, after the last step."""

    def routes(self) -> Routes:
        """Further HTTP routes."""
        return {}

    def run(self) -> None:
        """Turn the loop until ``stopping`` is set.

        Raises
        ------
        UsageError
            What only a person can mend; anything else that Redis or a stream does is waited out.
        """
        self.http.start()
        announce("listening", service=self.name, http=self.http.url)
        try:
            self._loop()
        finally:
            with contextlib.suppress(RedisError, StreamgaugeError):
                self.close()
            if self.tracer is not None:
                self.tracer.close()
            self.http.close()
            self.log.info("stopped")

    def _loop(self) -> None:
        started = announced = lost = False
        pause_s, complaint, failed_s = BACKOFF_FIRST_S, "", 0.0
        while not self.stopping.is_set():
            self._turned_s = time.monotonic()
            try:
                if not started:
                    self.start()
                    started = True
                    self.log.info("started", http=self.http.url)
                self.step()
            except UsageError:
                raise
            except (RedisError, StreamgaugeError) as error:
                remedy = advice(error, self.settings.redis_url or "")
                sentence = f"{type(error).__name__}: {error}" + (f"; {remedy}" if remedy else "")
                if sentence != complaint:
                    self.log.warning("waiting", error=sentence)
                complaint, failed_s = sentence, time.monotonic()
                self.telemetry.waiting.labels(self.settings.pipeline).set(1)
                self.stopping.wait(random.uniform(pause_s / 2, pause_s))  # noqa: S311  (spreads retries, no secret)
                pause_s = min(2 * pause_s, BACKOFF_LONGEST_S)
                lost = lost or isinstance(error, CONNECTION_ERRORS)
                continue
            if lost:
                self.telemetry.reconnects.labels(self.settings.pipeline).inc()
                lost = False
            if complaint and time.monotonic() - failed_s > RECOVERED_AFTER_S:
                self.log.info("recovered", after=complaint)
                self.telemetry.waiting.labels(self.settings.pipeline).set(0)
                pause_s, complaint = BACKOFF_FIRST_S, ""
            if not announced and self.not_ready() is None:
                announce("ready", service=self.name, http=self.http.url)
                announced = True

    def _complain_of_tracing(self, detail: str) -> None:
        self.log.warning("traces not delivered", detail=detail)

    def _common_routes(self) -> Routes:
        return {
            ("GET", "/healthz"): self._healthz,
            ("GET", "/readyz"): self._readyz,
            ("GET", "/metrics"): self._metrics,
        }

    def _healthz(self, _: Request) -> Response:
        age_s = time.monotonic() - self._turned_s
        if age_s > ALIVE_WITHIN_S:
            return error_response(503, f"the loop has not turned for {age_s:.0f} s")
        return json_response(200, {"status": "alive"})

    def _readyz(self, _: Request) -> Response:
        if not self._asking.acquire(blocking=False):  # a server that hangs holds one HTTP thread, never all
            return error_response(503, "whether it is ready is being asked, and there is no answer yet")
        try:
            reason = self.not_ready()
        finally:
            self._asking.release()
        return error_response(503, reason) if reason else json_response(200, {"status": "ready"})

    def _metrics(self, _: Request) -> Response:
        return Response(200, self.telemetry.exposition(), "text/plain; version=0.0.4; charset=utf-8")


def announce(event: str, **facts: str) -> None:
    """One JSON line on standard output, for whoever started this process and waits for it."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stdout.flush()


def serve(make: Callable[[], Service], log_level: str) -> int:
    """Run a service as a process: logs, signals, one sentence for what a person must mend; the exit status."""
    configure_logs(log_level)
    # A handler would run between any two instructions of the main thread, and hang where that holds the lock of
    # ``stopping``; so the signals are blocked, in every thread that is made from here on, and one waits for them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        service = make()
        name_logs(service.name, service.settings.pipeline)
        waiting = threading.Thread(target=_stop_on_signal, args=(service,), name="signals", daemon=True)
        waiting.start()
        if service.settings.stop_with_stdin:
            threading.Thread(target=_stop_at_end_of_input, args=(service,), name="stdin", daemon=True).start()
        try:
            service.run()
        finally:
            if waiting.is_alive() and waiting.ident is not None:
                signal.pthread_kill(waiting.ident, signal.SIGTERM)  # ends its wait
                waiting.join()
    except StreamgaugeError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


def _stop_on_signal(service: Service) -> None:
    signal.sigwait(_SIGNALS)
    service.stopping.set()


def _stop_at_end_of_input(service: Service) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    service.stopping.set()
