from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.entry import Entry
from core.open_telemetry import remote_context
from core.traceparent import TRACEPARENT_BYTES, is_sampled, is_traceparent, traceparent_of

GOOD = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_HEX = "0123456789abcdef"


@given(
    st.text(_HEX, min_size=32, max_size=32),
    st.text(_HEX, min_size=16, max_size=16),
    st.text(_HEX, min_size=2, max_size=2),
)
def test_what_is_taken_is_what_opentelemetry_reads(trace_id: str, span_id: str, flags: str) -> None:
    text = f"00-{trace_id}-{span_id}-{flags}"
    read = TraceContextTextMapPropagator().extract({"traceparent": text})
    context = get_current_span(read).get_span_context()
    assert is_traceparent(text.encode()) == context.is_valid
    if context.is_valid:
        ours = remote_context(text.encode())
        assert (format_trace_id(ours.trace_id), format_span_id(ours.span_id)) == (trace_id, span_id)
        assert is_sampled(text.encode()) == context.trace_flags.sampled
        assert len(text) == TRACEPARENT_BYTES


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD[:-1],
        GOOD + b"0",
        GOOD + b"\n",
        b" " + GOOD,
        GOOD.upper(),
        b"ff" + GOOD[2:],
        b"01" + GOOD[2:],
        GOOD.replace(b"4bf92f3577b34da6a3ce929d0e0e4736", b"0" * 32),
        GOOD.replace(b"00f067aa0ba902b7", b"0" * 16),
        GOOD.replace(b"-", b"_"),
        b"\xff" * TRACEPARENT_BYTES,
    ],
)
def test_anything_else_is_none(value: bytes) -> None:
    assert not is_traceparent(value)
    assert traceparent_of(Entry(b"1-1", [b"a", b"1", b"_traceparent", value])) is None


def test_the_field_is_found_by_name_and_never_in_a_value() -> None:
    assert traceparent_of(Entry(b"1-1", [b"a", b"_traceparent", b"_traceparent", GOOD])) == GOOD
    assert traceparent_of(Entry(b"1-1", [b"a", b"_traceparent", b"b", GOOD])) is None
