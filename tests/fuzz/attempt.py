"""A call that may fail, in the documented way alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def attempt(
    call: Callable[[], Result], *documented: type[Exception]
) -> tuple[Result, None] | tuple[None, Exception]:
    """What came of it: the result, or the documented error; any other error goes through."""
    try:
        return call(), None
    except documented as error:
        return None, error
