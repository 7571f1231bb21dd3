"""Spans of what a scorer does: one a batch, and one for each entry that names the trace it belongs to.

An entry's span continues its producer's trace, from the delivery to the commit of its result, and the result
names that span. The batch's span begins a trace of its own and covers decoding, scoring and encoding. Imported
only where traces are written.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.trace import Span, SpanKind

from core.keys import PartitionKeys
from core.open_telemetry import Tracer, fail, remote_context, traceparent_for
from core.rejection import Rejection
from core.scripts.commit import Committed
from core.takeover import GroupBatch
from core.traceparent import is_sampled
from core.tracing import Attribute

#: Traces of entries that a batch's span links to, at most; a batch may have a thousand.
MAX_LINKS = 32


class ScoreTracer:
    """Makes the spans of one consumer of a group."""

    def __init__(self, tracer: Tracer, partitions: Mapping[str, PartitionKeys], group: str, consumer: str) -> None:
        self._tracer = tracer
        self._partitions = partitions
        self._group = group
        self._consumer = consumer

    def now_ns(self) -> int:
        """When a span begins (since 1970)."""
        return self._tracer.now_ns()

    def begin(self, batch: GroupBatch, run_id: str, carried: Mapping[bytes, bytes], started_ns: int) -> BatchTrace:
        """The spans of a batch whose entries carry these traceparents.

        An entry whose trace nobody records has none, and its result carries on what it brought.
        """
        recorded = {entry_id: parent for entry_id, parent in carried.items() if is_sampled(parent)}
        name = f"score {batch.stream}"
        attributes = self._attributes(batch.stream, run_id)
        links = [remote_context(parent) for parent in list(recorded.values())[:MAX_LINKS]]
        span = self._tracer.start(
            name,
            SpanKind.CONSUMER,
            {
                **attributes,
                "messaging.batch.message_count": len(batch.entries),
                "streamgauge.taken_over": bool(batch.deliveries),
            },
            links=links,
            started_ns=started_ns,
        )
        ours = (span.get_span_context(),)
        spans = {
            entry_id: self._tracer.start(
                name,
                SpanKind.CONSUMER,
                {
                    **attributes,
                    "messaging.message.id": entry_id.decode(),
                    "streamgauge.deliveries": batch.deliveries.get(entry_id, 1),
                },
                parent=parent,
                links=ours,
                started_ns=started_ns,
            )
            for entry_id, parent in recorded.items()
        }
        return BatchTrace(span, spans)

    def _attributes(self, stream: str, run_id: str) -> dict[str, Attribute]:
        return {
            "messaging.operation.name": "score",
            "messaging.operation.type": "process",
            "messaging.destination.name": stream,
            "messaging.destination.partition.id": str(self._partitions[stream].number),
            "messaging.consumer.group.name": self._group,
            "messaging.client.id": self._consumer,
            "streamgauge.model": run_id,
        }


class BatchTrace:
    """The spans of one batch: its own, and those of its traced entries until their commit."""

    def __init__(self, span: Span, entries: dict[bytes, Span]) -> None:
        self._span = span
        self._entries = entries

    def traceparents(self) -> dict[bytes, bytes]:
        """What the results of the traced entries carry on, by entry id."""
        return {entry_id: traceparent_for(span) for entry_id, span in self._entries.items()}

    def encoded(self, rows: int, rejections: list[Rejection]) -> None:
        """The batch is scored and its answers are made."""
        self._span.set_attribute("streamgauge.rows", rows)
        self._span.set_attribute("streamgauge.rejected", sum(rejection.count for rejection in rejections))
        self._span.end()

    def committed(
        self, ids: list[bytes], rejections: list[Rejection], scored: set[bytes], done: Committed
    ) -> None:
        """The answers to some entries are written, or were by another worker."""
        rejected = {rejection.record: rejection for rejection in reversed(rejections)}
        for entry_id in ids:
            span = self._entries.pop(entry_id, None)
            if span is None:
                continue
            if entry_id in done.late_ids:
                span.set_attribute("streamgauge.outcome", "late")
            elif entry_id in scored:
                span.set_attribute("streamgauge.outcome", "predicted")
            else:
                span.set_attribute("streamgauge.outcome", "rejected")
            if entry_id in rejected and entry_id not in done.late_ids:
                fail(span, rejected[entry_id].reason)
            span.end()
