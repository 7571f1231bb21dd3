"""A collector of traces on loopback: OTLP over HTTP, as OpenTelemetry's own would take it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

#: How long a test waits for a span before it fails.
PATIENCE_S = 30.0

Value = str | int | float | bool


@dataclass(frozen=True)
class SpanSeen:
    """One span as it came over the wire."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: list[tuple[str, str]]
    kind: int
    failed: bool
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    resource: dict[str, Value]

    @property
    def traceparent(self) -> bytes:
        return f"00-{self.trace_id}-{self.span_id}-01".encode()


class Collector:
    """What was sent to ``url``; spans are waited for."""

    def __init__(self, url: str, spans: queue.Queue[SpanSeen]) -> None:
        self.url = url
        self.seen: list[SpanSeen] = []
        self._spans = spans

    def span(self, wanted: Callable[[SpanSeen], bool]) -> SpanSeen:
        """The first span that is wanted, seen before or still to come."""
        for span in self.seen:
            if wanted(span):
                return span
        while True:
            self.seen.append(self._spans.get(timeout=PATIENCE_S))
            if wanted(self.seen[-1]):
                return self.seen[-1]

    def of_record(self, record: bytes, service: str = "") -> SpanSeen:
        """The span of one entry, that of one of several services."""
        return self.span(
            lambda span: (
                span.attributes.get("messaging.message.id") == record.decode()
                and service in {"", span.resource["service.name"]}
            )
        )

    def span_with_id(self, span_id: str) -> SpanSeen:
        """The span that another one names."""
        return self.span(lambda span: span.span_id == span_id)

    def all(self) -> list[SpanSeen]:
        """Every span, once its process has ended."""
        while not self._spans.empty():
            self.seen.append(self._spans.get())
        return self.seen


@contextmanager
def running_collector() -> Iterator[Collector]:
    """One on a free port."""
    spans: queue.Queue[SpanSeen] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            for span in _spans(ExportTraceServiceRequest.FromString(body)):
                spans.put(span)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Collector(f"http://127.0.0.1:{server.server_port}", spans)
        finally:
            server.shutdown()
            thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[SpanSeen]:
    for resource in request.resource_spans:
        shared = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SpanSeen(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    span.kind,
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _values(span.attributes),
                    shared,
                )


def _values(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    return getattr(value, value.WhichOneof("value") or "string_value")  # type: ignore[no-any-return]
