"""Spans by OpenTelemetry, sent by OTLP over HTTP. Imported only where ``otlp_endpoint`` is set.

Spans wait in a bounded queue, from which a thread of their own sends them. Where the collector is slow or away the
queue is full and spans are dropped: that is said, and nothing waits for it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
    use_span,
)

from core.package_version import package_version
from core.tracing import Attribute

#: Spans that wait to be sent, of some 6 KiB each in memory; what comes on top is dropped.
QUEUE_SPANS = 2_048
#: Spans of one request to the collector.
EXPORT_SPANS = 512
#: How often they are sent, unless there are enough for a request before.
EXPORT_EVERY_MS = 1_000
#: How long the end of a process waits for the collector; a container has some ten seconds to stop.
FLUSH_S = 2.0
#: Trouble with the collector is said at most so often.
COMPLAIN_EVERY_S = 60.0
#: ``messaging.system``: the conventions name none for Redis streams, and others who trace them say this.
SYSTEM = "redis"


class Tracer:
    """Makes the spans of one process; it is not OpenTelemetry's global one, which stays the program's own.

    The environment decides what OpenTelemetry lets it decide: headers and certificates (``OTEL_EXPORTER_OTLP_*``),
    the sampler (``OTEL_TRACES_SAMPLER``), further attributes (``OTEL_RESOURCE_ATTRIBUTES``).
    """

    def __init__(self, endpoint: str, service: str, pipeline: str, complain: Callable[[str], None]) -> None:
        _hear(complain)
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: f"streamgauge-{service}"}
        resource = Resource.create(
            {
                **named,
                "service.version": package_version(),
                "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
                "streamgauge.pipeline": pipeline,
            }
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces"),
                max_queue_size=QUEUE_SPANS,
                schedule_delay_millis=EXPORT_EVERY_MS,
                max_export_batch_size=EXPORT_SPANS,
            )
        )
        self._tracer = self._provider.get_tracer("streamgauge", package_version())

    @staticmethod
    def now_ns() -> int:
        """This machine's clock (since 1970), by which OpenTelemetry ends spans; nothing else hangs on it."""
        return time.time_ns()

    def start(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Attribute],
        *,
        parent: bytes | None = None,
        links: Sequence[SpanContext] = (),
        started_ns: int | None = None,
    ) -> Span:
        """A span that began at ``started_ns`` (ns since 1970; None: now) and that the caller ends.

        ``parent`` is a valid traceparent; without one the span begins a trace.
        """
        context = None if parent is None else set_span_in_context(NonRecordingSpan(remote_context(parent)))
        return self._tracer.start_span(
            name,
            context,
            kind,
            {"messaging.system": SYSTEM, **attributes},
            [Link(context) for context in links],
            started_ns,
        )

    @contextmanager
    def around(
        self,
        name: str,
        attributes: Mapping[str, Attribute],
        parent: bytes | None = None,
        kind: SpanKind = SpanKind.CONSUMER,
    ) -> Iterator[Span]:
        """A span around a piece of work; an error is named in it, by its kind alone, and goes on."""
        span = self.start(name, kind, attributes, parent=parent)
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as error:
                fail(span, type(error).__name__)
                raise

    def start_send(self, records: int) -> Span:
        """A span of so many records that are sent; it begins a trace."""
        attributes: dict[str, Attribute] = {
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": records,
        }
        return self.start("send records", SpanKind.PRODUCER, attributes)

    def inside(self, span: Span) -> AbstractContextManager[Span]:
        """A span is the current one, and goes on afterwards."""
        return use_span(span, record_exception=False, set_status_on_exception=False)

    def record(self, name: str, attributes: Mapping[str, Attribute], started_ms: int | None) -> None:
        """A span that began at ``started_ms`` (since 1970; None: now) and ends now; it begins a trace."""
        now_ns = self.now_ns()  # the beginning is by another clock, which may be ahead
        started_ns = now_ns if started_ms is None else min(started_ms * 1_000_000, now_ns)
        self.start(name, SpanKind.INTERNAL, attributes, started_ns=started_ns).end(now_ns)

    def close(self) -> None:
        """Send what waits, for at most ``FLUSH_S``; the rest is lost."""
        flushing = threading.Thread(target=self._provider.shutdown, name="traces-flush", daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)


def remote_context(traceparent: bytes) -> SpanContext:
    """The context that a valid traceparent names."""
    _, trace_id, span_id, flags = traceparent.split(b"-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def traceparent_for(span: Span) -> bytes:
    """The traceparent under which others continue a span."""
    context = span.get_span_context()
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)


def fail(span: Span, kind: str) -> None:
    """Mark a span as failed; ``kind`` is one of few."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def _hear(complain: Callable[[str], None]) -> None:
    """Have what OpenTelemetry logs told to ``complain``, now and then, instead of a line for every failure."""
    heard = logging.getLogger("opentelemetry")
    heard.handlers = [_NowAndThen(complain)]
    heard.propagate = False


class _NowAndThen(logging.Handler):
    def __init__(self, complain: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._complain = complain
        self._quiet_until_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record, unless another was told lately."""
        now_s = time.monotonic()
        if now_s >= self._quiet_until_s:
            self._quiet_until_s = now_s + COMPLAIN_EVERY_S
            self._complain(record.getMessage())
