"""The ``streamgauge`` command: one sentence and status 2 for whatever a user can mend, never a traceback."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of the console script."""
    from redis.exceptions import RedisError  # noqa: PLC0415  (the command's help need not wait for it)

    from core.errors import StreamgaugeError  # noqa: PLC0415  (as above)
    from streamgauge.app import app  # noqa: PLC0415  (as above)

    try:
        app(prog_name="streamgauge")
    except StreamgaugeError as error:
        _fail(str(error), 2)
    except RedisError as error:
        _fail(f"Redis: {error}; check the server and run the command again", 2)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        _fail("stopped", 130)


def _fail(sentence: str, status: int) -> None:
    sys.stderr.write(f"streamgauge: {sentence}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
