"""``python -m monitor``: watch windows of records for drift."""

from __future__ import annotations

import sys

from core.blas import use_one_thread
from core.light_imports import import_structlog_without_rich


def main() -> int:
    """Run the service; the exit status."""
    use_one_thread()
    import_structlog_without_rich()
    from core.options import settings_from_arguments  # noqa: PLC0415  (NumPy reads the environment at import)
    from core.service import serve  # noqa: PLC0415  (as above)
    from monitor.service import Monitor  # noqa: PLC0415  (as above)

    settings = settings_from_arguments("monitor", "Watch windows of records for drift.")
    return serve(lambda: Monitor(settings), settings.log_level)


if __name__ == "__main__":
    sys.exit(main())
