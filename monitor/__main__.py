"""``python -m monitor``: watch windows of records for drift."""

from __future__ import annotations

import sys

from core.blas import use_one_thread
from core.light_imports import import_structlog_without_rich

#: How long a thread may keep the others waiting; it costs nothing while none waits. The step works in Python most
#: of the time, and an answer over HTTP changes threads a few times: with 100,000 records/s behind it the slowest
#: of 100 took 22 to 53 ms at Python's 5 ms, and 4 to 10 ms at this, in turns on a busy machine.
SWITCH_INTERVAL_S = 0.001


def main() -> int:
    """Run the service; the exit status."""
    use_one_thread()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    import_structlog_without_rich()
    from core.options import settings_from_arguments  # noqa: PLC0415  (NumPy reads the environment at import)
    from core.service import serve  # noqa: PLC0415  (as above)
    from monitor.service import Monitor  # noqa: PLC0415  (as above)

    settings = settings_from_arguments("monitor", "Watch windows of records for drift.")
    return serve(lambda: Monitor(settings), settings.log_level)


if __name__ == "__main__":
    sys.exit(main())
