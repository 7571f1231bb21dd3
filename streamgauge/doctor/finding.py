"""What doctor finds: one sentence that says what is, and one that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from redis.exceptions import NoPermissionError

from core.connection import CONNECTION_ERRORS, ServerError
from core.errors import StreamgaugeError

Level = Literal["ok", "warn", "wrong"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at."""

    level: Level  #: ``warn``: it works, and may not for long; ``wrong``: something does not work
    about: str  #: stable name of the check
    what: str
    do: str = ""  #: what to do; with ``ok``, what could be done


def guarded(about: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of one check; what keeps it from looking is a finding, too, and the others go on."""
    try:
        yield from check()
    except NoPermissionError as error:
        yield Finding(
            "warn",
            about,
            f"this could not be looked at: {error}",
            "run doctor as a user who may send that command",
        )
    except CONNECTION_ERRORS:
        raise
    except ServerError as error:
        yield Finding("wrong", about, f"this could not be looked at: {error}", "mend what the server says")
    except StreamgaugeError as error:
        what, _, do = str(error).partition("; ")
        yield Finding("wrong", about, what, do)
