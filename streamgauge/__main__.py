"""The ``streamgauge`` command: one sentence and status 2 for whatever a user can mend, never a traceback."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from types import FrameType
from typing import Any

from core.blas import use_one_thread

#: What a shell adds to the number of the signal that ended a program.
BY_SIGNAL = 128
#: A disk or a quota is full.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def main() -> None:
    """Entry point of the console script."""
    interrupts = _Interrupts()
    try:
        use_one_thread()
        _prepare_streams()
        status = _run(interrupts)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = interrupts.status
    except BrokenPipeError:
        status = _closed_pipe()
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _discard_output()
        status = _failed(f"what this writes has no room ({error.strerror}); make some, or write elsewhere")
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        status = _closed_pipe()  # typer and rich end the program themselves, with another status
    sys.exit(status)


def _prepare_streams() -> None:
    """A stream that the caller closed leads nowhere; a name that the terminal's encoding lacks is spelt out."""
    for name in ("stdin", "stdout", "stderr"):  # in the order of their descriptors: an open takes the lowest one
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class _Interrupts:
    """SIGTERM ends a command as Ctrl-C does: in order, leaving no process behind."""

    def __init__(self) -> None:
        self._number = signal.SIGINT
        signal.signal(signal.SIGTERM, self._terminate)

    @property
    def status(self) -> int:
        """The exit status of an interrupted command."""
        return BY_SIGNAL + self._number

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._number = signal.SIGTERM
        raise KeyboardInterrupt


def _run(interrupts: _Interrupts) -> int:
    """Run the command; its exit status."""
    import typer  # noqa: PLC0415  (Ctrl-C while it is imported must end quietly, too)
    from redis.exceptions import RedisError  # noqa: PLC0415  (as above)

    from core.errors import StreamgaugeError  # noqa: PLC0415  (as above)
    from streamgauge.app import app  # noqa: PLC0415  (as above)

    usage_error: type[Exception] = typer.BadParameter.__mro__[1]  # it has no public name
    try:
        returned: object = app(prog_name="streamgauge", standalone_mode=False)
    except StreamgaugeError as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("there is too little memory for this; give fewer rows, or end other programs")
    except RedisError as error:
        return _failed(f"Redis: {error}; streamgauge doctor looks for the cause")
    except usage_error as error:
        return _failed(_usage(error))
    if isinstance(returned, int):  # of typer.Exit, or how typer tells of Ctrl-C
        return interrupts.status if returned == BY_SIGNAL + signal.SIGINT else returned
    return 0


def _usage(error: Any) -> str:
    """What is wrong with the options or arguments, on one line, and where the right ones are listed."""
    from core.endpoint import without_password  # noqa: PLC0415  (only for this sentence)

    said = " ".join(without_password(word) if "://" in word else word for word in error.format_message().split())
    said = said.rstrip(".?").replace(". Did you", "; did you")
    said = re.sub(r" \(Possible options: (.*)\)$", r"; did you mean \1", said)
    path = "streamgauge" if error.ctx is None else error.ctx.command_path
    joint = "? see" if "did you mean" in said else "; see"
    return f"{said[:1].lower()}{said[1:]}{joint} {path} --help"


def _closed_pipe() -> int:
    """Whoever read the output has ended, as ``head`` does: end quietly."""
    _discard_output()
    return BY_SIGNAL + signal.SIGPIPE


def _discard_output() -> None:
    """What is left of the output goes nowhere, so that Python does not complain when it flushes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _failed(sentence: str) -> int:
    sys.stderr.write(f"streamgauge: {sentence}\n")
    return 2


if __name__ == "__main__":
    main()
