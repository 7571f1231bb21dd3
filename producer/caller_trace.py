"""The trace that a caller of the producer is in. OpenTelemetry is imported only where that is asked for."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import SettingsError

#: Tells the traceparent of the span that is current where it is called; None outside of any that is recorded.
CallerTrace = Callable[[], bytes | None]


def caller_trace() -> CallerTrace:
    """What tells the caller's trace. Raises SettingsError where OpenTelemetry is not installed.

    A span that is not sampled counts as none: nobody would continue it.
    """
    try:
        from opentelemetry.trace import get_current_span  # noqa: PLC0415  (an extra: only where it is asked for)
    except ImportError as error:
        raise SettingsError(
            f"tracing is asked for and OpenTelemetry is not installed ({error}); install the extra "
            "streamgauge[tracing], or leave it out"
        ) from error

    def current() -> bytes | None:
        context = get_current_span().get_span_context()
        if not context.is_valid or not context.trace_flags.sampled:
            return None
        return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)

    return current
