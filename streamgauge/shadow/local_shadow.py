"""One shadow on this machine, followed until somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from core.connection import CONNECTION_ERRORS
from core.errors import SchemaError, UsageError
from core.settings import Settings
from streamgauge.service_process import ServiceProcess
from streamgauge.shadow.report import ShadowReport
from streamgauge.terminal_text import json_line

#: How often progress and labels are looked at.
LOOK_EVERY_S = 2.0


class LocalShadow:
    """A shadow's scorer as a process of its own; it ends with this one, and takes its group with it."""

    def __init__(self, settings: Settings, run_id: str, directory: Path) -> None:
        logs = directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log_path = logs / f"shadow-{run_id}.log"
        options: dict[str, object] = {
            "redis_url": settings.redis_url,
            "pipeline": settings.pipeline,
            "shadow": run_id,
            "http_port": 0,
        }
        self._process = ServiceProcess("scorer", options, self.log_path)

    def __enter__(self) -> Self:
        self._process.start()
        try:
            self._process.wait_for("ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let it finish what it holds."""
        self._process.terminate()
        self._process.wait()

    def follow(
        self,
        look: Callable[[], ShadowReport | None],
        show: Callable[[ShadowReport], None],
        say: Callable[[str], None],
    ) -> None:
        """Show how things are, again whenever they changed, until Ctrl-C, or until ``look`` has nothing to show.

        What passes by is said, once, and waited for, as the scorer does: no answer from Redis, and production of
        another schema.

        Raises
        ------
        UsageError
            The process ended by itself.
        """
        shown = ""
        while self._process.running():
            try:
                found: ShadowReport | str | None = look()
            except CONNECTION_ERRORS as error:
                found = f"Redis does not answer ({error}); the shadow goes on when it does"
            except SchemaError as error:
                found = str(error)
            if found is None:
                return
            text = found if isinstance(found, str) else json_line(found)  # a figure may be nan, unequal to itself
            if text != shown:
                shown = text
                if isinstance(found, str):
                    say(found)
                else:
                    show(found)
            time.sleep(LOOK_EVERY_S)
        raise UsageError(f"the shadow ended by itself; see its log {self.log_path}")
