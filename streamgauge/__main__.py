"""The ``streamgauge`` command: one sentence and status 2 for whatever a user can mend, never a traceback."""

from __future__ import annotations

import signal
import sys

from core.blas import use_one_thread


def main() -> None:
    """Entry point of the console script."""
    use_one_thread()
    from redis.exceptions import RedisError  # noqa: PLC0415  (the command's help need not wait for it)

    from core.errors import StreamgaugeError  # noqa: PLC0415  (as above)
    from streamgauge.app import app  # noqa: PLC0415  (as above)

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(prog_name="streamgauge")
    except StreamgaugeError as error:
        _fail(str(error))
    except MemoryError:
        _fail("there is too little memory for this; give fewer rows, or end other programs")
    except RedisError as error:
        _fail(f"Redis: {error}; streamgauge doctor looks for the cause")


def _interrupt(*_: object) -> None:
    """SIGTERM ends a command as Ctrl-C does: in order, leaving no process behind."""
    raise KeyboardInterrupt


def _fail(sentence: str) -> None:
    sys.stderr.write(f"streamgauge: {sentence}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
