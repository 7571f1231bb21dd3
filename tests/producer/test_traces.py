"""The producer carries its caller's trace on where that is asked for, and never looks otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from core.entry import Entry, field_map
from core.keys import PipelineKeys
from core.redis_registry import RedisRegistry
from producer.client import Producer
from tests.otlp_collector import running_collector

CHECKOUT = Path(__file__).resolve().parents[2]
Stream = Callable[[str], list[Entry]]


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
    return subprocess.run(
        [sys.executable, "-m", "producer", *arguments],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_producer_that_was_not_asked_carries_nothing(
    server_url: str, keys: PipelineKeys, stream: Stream
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("a caller's program")
    with Producer(server_url, keys.pipeline) as producer, tracer.start_as_current_span("request"):
        for _ in range(2):
            producer.send({"a": 1.0, "b": 2.0})
    assert [entry.fields for entry in stream(keys.partition(0).records)] == [[b"a", b"1.0", b"b", b"2.0"]] * 2


def test_records_in_and_out_of_spans_keep_their_order(server_url: str, keys: PipelineKeys, stream: Stream) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("a caller's program")
    expected: list[tuple[bytes, bytes | None]] = []
    with Producer(server_url, keys.pipeline, tracing=True) as producer:
        for number in range(6):
            if number % 2:
                producer.send({"a": number})
                expected.append((b"%d" % number, None))
            else:
                with tracer.start_as_current_span("request") as span:
                    producer.send({"a": number}, event_time_ms=5 if number % 4 else None)
                context = span.get_span_context()
                expected.append((b"%d" % number, f"00-{context.trace_id:032x}-{context.span_id:016x}".encode()))
    found = [field_map(entry.fields) for entry in stream(keys.partition(0).records)]
    assert [
        (fields[b"a"], None if (parent := fields.get(b"_traceparent")) is None else parent[:52])
        for fields in found
    ] == expected


@pytest.mark.parametrize("block", [None, 2])
def test_the_command_puts_a_span_around_each_entry(
    block: int | None,
    server_url: str,
    keys: PipelineKeys,
    stream: Stream,
    production: RedisRegistry,
    tmp_path: Path,
) -> None:
    assert production.production() is not None
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n5,6\n7,8\n")
    with running_collector() as collector:
        given = () if block is None else ("--block", str(block))
        options = ("--redis-url", server_url, "--pipeline", keys.pipeline, *given)
        (tmp_path / "streamgauge.toml").write_text(f'otlp_endpoint = "{collector.url}"\n')
        done = command("rows.csv", *options, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        spans = collector.all()
    parents = [field_map(entry.fields)[b"_traceparent"][:53] for entry in stream(keys.partition(0).records)]
    assert parents == [span.traceparent[:53] for span in sorted(spans, key=lambda span: span.start_ns)]
    assert len(set(parents)) == len(parents) == 4 // (block or 1)
    assert {span.resource["service.name"] for span in spans} == {"streamgauge-producer"}
    assert {span.kind for span in spans} == {4}  # a producer's
    assert {span.attributes["messaging.batch.message_count"] for span in spans} == {block or 1}


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('none here')\n")
    program = "from producer.client import Producer; Producer('redis://127.0.0.1:1/0', tracing=True)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SettingsError: tracing is asked for and OpenTelemetry is not installed" in run.stderr
