"""Keep what a worker does not need out of its memory."""

from __future__ import annotations

import sys


def import_structlog_without_rich() -> None:
    """Import structlog while rich cannot be imported, before anything else imports it.

    It takes rich for its coloured console if it can: 12 MiB in a worker that writes JSON lines. Whoever asks for
    rich later gets it.
    """
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # this is how Python is told that there is none
    try:
        import structlog  # noqa: F401, PLC0415  (for its effect, at this time)
    finally:
        del sys.modules["rich"]
