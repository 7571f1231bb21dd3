"""``python -m scorer``: score records from Redis Streams, or over HTTP alone where no redis_url is set."""

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
    from scorer.service import make_scorer  # noqa: PLC0415  (as above)

    settings = settings_from_arguments("scorer", "Score records with the production model.")
    return serve(lambda: make_scorer(settings), settings.log_level)


if __name__ == "__main__":
    sys.exit(main())
