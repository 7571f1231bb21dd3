"""Every service of a pipeline on this machine, as real processes, until told to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import UsageError
from streamgauge.service_process import ServiceProcess

#: HTTP port of the first scorer; monitor and trainer have the next two.
FIRST_HTTP_PORT = 8000
_PORT_OFFSETS = {"scorer": 0, "monitor": 1, "trainer": 2}


class LocalPipeline:
    """Scorers, monitor and trainer on one server.

    Parameters
    ----------
    redis_url
        The server.
    directory
        Where logs go.
    scorers
        How many scorers; the first has the scorer's port, the others any free one.
    options
        Further settings for all services, by name.
    first_http_port
        Port of the first scorer; 0: every service takes any free one.
    shielded
        Keep this environment's settings and the folder's streamgauge.toml away from the services.
    """

    def __init__(
        self,
        redis_url: str,
        directory: Path,
        *,
        scorers: int = 1,
        options: dict[str, object] | None = None,
        first_http_port: int = FIRST_HTTP_PORT,
        shielded: bool = False,
    ) -> None:
        if scorers < 1:
            raise UsageError(f"{scorers} scorers cannot score; start at least one (--scorers)")
        logs = directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.services: list[ServiceProcess] = []
        for name, number in [("trainer", 1), ("monitor", 1), *(("scorer", n) for n in range(1, scorers + 1))]:
            port = first_http_port + _PORT_OFFSETS[name] if first_http_port and number == 1 else 0
            settings = {"redis_url": redis_url, **(options or {}), "http_port": port}
            log_path = logs / f"{name}-{number}.log"
            self.services.append(ServiceProcess(name, settings, log_path, shielded=shielded))

    def start(self, wait_for: str = "ready") -> Self:
        """Start all services and wait until each is ``ready`` (or only ``listening``, where no model is yet)."""
        try:
            for service in self.services:
                service.start()
            for service in self.services:
                service.wait_for(wait_for)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all services in order: they finish what they hold."""
        for service in self.services:
            service.terminate()
        for service in self.services:
            service.wait()

    def revive(self, say: Callable[[str], None]) -> None:
        """Start again what has died, without waiting for it; what dies again and again, after growing pauses."""
        for service in self.services:
            if not service.running() and service.may_start():
                status = service.wait()
                say(f"the {service.module} ended with status {status} and starts again; see {service.log_path}")
                service.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
