"""Logs: one JSON line an event on standard error, with stable keys, listed in docs/operations/observability.md."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

#: What every line of this process says; here, for libraries and crashes have no logger of ours.
_process: dict[str, str] = {}


def configure_logs(level: str) -> None:
    """Set up the process's logs; called once, by the service frame.

    What libraries log or warn, and errors that nobody caught, become JSON lines too.
    """
    structlog.configure(
        processors=[
            _name_process,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # four requests at once are no event
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda crash: _log_uncaught(
        crash.exc_type, crash.exc_value or crash.exc_type(), crash.exc_traceback
    )


def name_logs(service: str, pipeline: str) -> None:
    """Say service and pipeline in lines about libraries and crashes too; called once a process."""
    _process.update(service=service, pipeline=pipeline)


def shown_id(record_id: bytes | None) -> str | None:
    """A record's id as a line shows it; it may be any bytes."""
    return None if record_id is None else record_id.decode("utf-8", "backslashreplace")


def logger(service: str, pipeline: str) -> FilteringBoundLogger:
    """A logger whose lines name service and pipeline."""
    return cast(FilteringBoundLogger, structlog.get_logger(service=service, pipeline=pipeline))


class _LibraryHandler(logging.Handler):
    """Passes on what libraries log, with the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        log = cast(FilteringBoundLogger, structlog.get_logger())
        log.log(
            record.levelno,
            "library",
            library=record.name,
            detail=record.getMessage(),
            exc_info=record.exc_info,
        )


def _name_process(_: object, __: str, line: EventDict) -> EventDict:
    return {**_process, **line}


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log = cast(FilteringBoundLogger, structlog.get_logger())
    log.critical("crashed", error=f"{kind.__name__}: {error}", exc_info=(kind, error, traceback))
