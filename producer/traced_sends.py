"""Spans around what a command sends: one a record, or one for the rows of a block, which has one trace."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from core.open_telemetry import Tracer


class TracedSends:
    """Makes them; each begins a trace.

    Parameters
    ----------
    rows_each
        Records under one span.
    """

    def __init__(self, tracer: Tracer, rows_each: int) -> None:
        self._tracer = tracer
        self._rows_each = rows_each
        self._rows = 0
        self._span: Span | None = None

    def around(self) -> AbstractContextManager[object]:
        """Around the sending of the next record, whose span is the current one meanwhile."""
        if self._span is None or self._rows == self._rows_each:
            self.end()
            self._span = self._tracer.start_send(self._rows_each)
        self._rows += 1
        return self._tracer.inside(self._span)

    def end(self) -> None:
        """The last record is sent."""
        if self._span is not None:
            self._span.end()
        self._span, self._rows = None, 0
