"""Whether this process writes traces. Without ``otlp_endpoint`` nothing of OpenTelemetry is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from core.open_telemetry import Tracer

#: What a span's attribute may be here.
Attribute = str | int | float | bool


def start_tracing(settings: Settings, service: str, complain: Callable[[str], None]) -> Tracer | None:
    """What makes spans, or None where none are asked for.

    Parameters
    ----------
    service
        Its name, as in ``streamgauge-scorer``.
    complain
        Told now and then that spans could not be delivered, and why; nothing else comes of it.

    Raises
    ------
    SettingsError
        They are asked for and OpenTelemetry is not installed.
    """
    if settings.otlp_endpoint is None:
        return None
    try:
        from core.open_telemetry import Tracer  # noqa: PLC0415  (an extra, and 20 MiB: only where it is asked for)
    except ImportError as error:
        raise SettingsError(
            f"otlp_endpoint is set and OpenTelemetry is not installed ({error}); install the extra "
            "streamgauge[tracing], or unset it"
        ) from error
    return Tracer(settings.otlp_endpoint, service, settings.pipeline, complain)


def span_around(
    tracer: Tracer | None, name: str, attributes: Mapping[str, Attribute], parent: bytes | None = None
) -> AbstractContextManager[Span | None]:
    """A span around a piece of work, which is the current one meanwhile; without a tracer nothing."""
    return nullcontext() if tracer is None else tracer.around(name, attributes, parent)
