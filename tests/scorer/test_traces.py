"""A record's trace goes on through the scorer into its result, and traces never stand in a record's way."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from core.entry import Entry, field_map
from core.model_file import ModelFile
from core.prediction import PredictionBlock
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from core.shadow_registry import ShadowRegistry
from producer.client import Producer
from tests.otlp_collector import Collector, SpanSeen, running_collector
from tests.scorer.conftest import FIRST_RUN, MakeModelFile, StartScorer
from tests.scorer.scorer_process import CHECKOUT, Scorer
from tests.scorer.streams import Streams

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CARRIED = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
UNSAMPLED = CARRIED[:-1] + b"0"
MALFORMED = (
    b"",
    b"1",
    CARRIED[:-1],
    CARRIED + b"\n",
    CARRIED.upper(),
    b"01" + CARRIED[2:],
    b"00-" + b"0" * 32 + CARRIED[35:],
    CARRIED + b"x" * 100_000,
    b"\xff\xfe",
)
PLAIN = ("Area", "1", "MajorAxisLength", "2", "Eccentricity", "0.5")
CANDIDATE = "c" * 12

NUMBERS = dict(zip(PLAIN[::2], (1.0, 2.0, 0.5), strict=True))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture
def traced(
    start_scorer: StartScorer, server_url: str, pipeline: str, production: RedisRegistry, collector: Collector
) -> Scorer:
    """A scorer that writes traces."""
    assert production.production() is not None
    options = ("--redis-url", server_url, "--pipeline", pipeline, "--otlp-endpoint", collector.url)
    return start_scorer(*options).ready()


def block(model_file: ModelFile, rows: int, *more: bytes) -> list[bytes]:
    schema = model_file.model.schema
    x = np.random.default_rng(rows).normal(size=(rows, schema.width))
    return [*encode_block(x, schema), *more]


def continues(traceparent: str | bytes | None, span: SpanSeen) -> bool:
    """Whether it names this span; of the flags only the lowest bit is ours to look at."""
    assert traceparent is not None
    text = traceparent.encode() if isinstance(traceparent, str) else traceparent
    return text[:53] == span.traceparent[:53] and int(text[53:], 16) & 1 == 1


def result_of(streams: Streams, record: bytes) -> Entry:
    """The one result of a record."""
    streams.await_results({record})
    results = streams.entries(streams.partition.predictions) + streams.entries(streams.partition.rejected)
    (result,) = [result for result in results if field_map(result.fields)[b"record"] == record]
    return result


def carried(streams: Streams, record: bytes) -> bytes | None:
    return field_map(result_of(streams, record).fields).get(b"_traceparent")


def without_own(result: Entry) -> list[bytes]:
    """A result's fields but those that tell one entry from another, and the trace; names in their order."""
    own = {b"id", b"record", b"ts", b"entry", b"_traceparent"}
    pairs = zip(result.fields[::2], result.fields[1::2], strict=True)
    return [text for name, value in pairs if name not in own for text in (name, value)]


def forms(model_file: ModelFile) -> dict[str, list[bytes]]:
    """Records that take each way through decoder, encoder and commit."""
    plain = [text.encode() for text in PLAIN]
    return {
        "plain": plain,
        "plain with id": [*plain, b"_id", b"r-1"],
        "small block": block(model_file, 2),
        "large block": block(model_file, 300),  # committed natively
        "block with ids": block(model_file, 2, b"_ids", b"a\nb"),
        "garbage": [b"garbage", b"1"],
    }


@pytest.mark.parametrize(
    "form", ["plain", "plain with id", "small block", "large block", "block with ids", "garbage"]
)
def test_without_tracing_a_trace_is_carried_on_as_it_came_and_nothing_else_changes(
    scorer: Scorer, streams: Streams, model_file: ModelFile, form: str
) -> None:
    fields = forms(model_file)[form]
    bare = streams.add(*fields)
    expected = result_of(streams, bare)
    assert b"_traceparent" not in expected.fields
    for parent in (CARRIED, UNSAMPLED):
        # twice in one go: a batch of one form, and of one record
        records = streams.connection.pipeline(
            [["XADD", streams.partition.records, "*", *fields, "_traceparent", parent]] * 3
        )
        for record in records:
            result = result_of(streams, record)
            assert field_map(result.fields)[b"_traceparent"] == parent
            assert without_own(result) == without_own(expected)
    assert scorer.end() == 0


@pytest.mark.parametrize("form", ["plain", "plain with id", "small block", "large block", "block with ids"])
@pytest.mark.parametrize("every", [2, 20])
def test_where_only_some_records_carry_a_trace_each_has_its_result_with_its_own(
    scorer: Scorer, streams: Streams, model_file: ModelFile, form: str, every: int
) -> None:
    fields = forms(model_file)[form]
    expected = result_of(streams, streams.add(*fields))
    carry = {1: CARRIED, every // 2 + 2: b"malformed"}
    parents = [carry.get(number % every) for number in range(60)]
    commands: list[list[str | bytes]] = [
        ["XADD", streams.partition.records, "*", *fields, *([] if parent is None else [b"_traceparent", parent])]
        for parent in parents
    ]
    records = streams.connection.pipeline(commands)
    streams.await_results(set(records))
    results = streams.entries(streams.partition.predictions)[1:]
    assert [field_map(result.fields)[b"record"] for result in results] == records  # once each, in their order
    for result, parent in zip(results, parents, strict=True):
        assert field_map(result.fields).get(b"_traceparent") == (CARRIED if parent == CARRIED else None)
        assert without_own(result) == without_own(expected)
    assert not streams.rejections()
    assert scorer.end() == 0


def test_of_records_of_which_some_are_sampled_those_have_spans(
    traced: Scorer, streams: Streams, collector: Collector
) -> None:
    carry = {3: CARRIED, 30: UNSAMPLED}
    commands: list[list[str | bytes]] = [
        ["XADD", streams.partition.records, "*", *PLAIN, *([b"_traceparent", carry[n]] if n in carry else [])]
        for n in range(60)
    ]
    records = streams.connection.pipeline(commands)
    streams.await_results(set(records))
    span = collector.of_record(records[3])
    assert continues(carried(streams, records[3]), span)
    for number, record in enumerate(records):
        if number != 3:
            assert carried(streams, record) == carry.get(number)
    assert traced.end() == 0
    assert [span for span in collector.all() if "messaging.message.id" in span.attributes] == [span]


def test_a_malformed_trace_is_as_if_it_were_not_there(
    scorer: Scorer, streams: Streams, model_file: ModelFile
) -> None:
    for fields in (forms(model_file)["plain"], forms(model_file)["small block"]):
        expected = result_of(streams, streams.add(*fields))
        records = streams.connection.pipeline(
            [["XADD", streams.partition.records, "*", *fields, "_traceparent", value] for value in MALFORMED]
        )
        for record in records:
            result = result_of(streams, record)
            assert b"_traceparent" not in result.fields
            assert without_own(result) == without_own(expected)
    assert not streams.rejections()
    assert scorer.end() == 0


def test_a_producers_span_is_continued_by_the_scorer_and_the_result_continues_the_scorers(
    traced: Scorer, streams: Streams, server_url: str, pipeline: str, collector: Collector
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("a caller's program")
    with Producer(server_url, pipeline, tracing=True, linger_ms=0) as producer:
        with tracer.start_as_current_span("request") as request:
            producer.send(NUMBERS, id="first")
            producer.send(NUMBERS, id="second")
        producer.send(NUMBERS, id="outside")
    records = [entry.id for entry in streams.entries(streams.partition.records)]
    streams.await_results(set(records))
    by_id = {p.id: p for p in streams.predictions() if not isinstance(p, PredictionBlock)}
    context = request.get_span_context()
    for name, record in ((b"first", records[0]), (b"second", records[1])):
        span = collector.of_record(record)
        assert (span.trace_id, span.parent_id) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
        assert continues(by_id[name].traceparent, span)
        assert span.attributes["streamgauge.outcome"] == "predicted"
        assert span.attributes["streamgauge.model"] == FIRST_RUN
        assert span.attributes["messaging.consumer.group.name"] == "scorers"
        assert span.resource["service.name"] == "streamgauge-scorer"
        assert span.resource["streamgauge.pipeline"] == pipeline
        assert not span.failed
        assert span.start_ns < span.end_ns
        batch = collector.span_with_id(span.links[0][1])
        assert (span.trace_id, span.parent_id) in batch.links
        assert not batch.parent_id
    assert by_id[b"outside"].traceparent is None
    assert traced.end() == 0


def test_a_block_has_one_trace_and_a_change_of_span_ends_the_block(
    traced: Scorer, streams: Streams, server_url: str, pipeline: str, collector: Collector, model_file: ModelFile
) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("a caller's program")
    with Producer(server_url, pipeline, tracing=True, block=True, linger_ms=1_000) as producer:
        with tracer.start_as_current_span("one"):
            producer.send(NUMBERS)
            producer.send(NUMBERS)
        with tracer.start_as_current_span("two"):
            producer.send(NUMBERS)
        with tracer.start_as_current_span("many"):
            producer.send_rows(np.ones((5, model_file.model.schema.width)))
    entries = streams.entries(streams.partition.records)
    assert sorted(int(field_map(entry.fields)[b"_n"]) for entry in entries) == [1, 2, 5]
    streams.await_results({entry.id for entry in entries})
    for entry in entries:
        span, parent = collector.of_record(entry.id), field_map(entry.fields)[b"_traceparent"].decode()
        assert parent.startswith(f"00-{span.trace_id}-{span.parent_id}-")
        assert continues(carried(streams, entry.id), span)
    assert traced.end() == 0


def test_a_rejections_span_says_why(
    traced: Scorer, streams: Streams, collector: Collector, model_file: ModelFile
) -> None:
    garbage = streams.add("garbage", 1, "_traceparent", CARRIED)
    x = np.array([[1.0, 2.0, 3.0], [np.nan, 1.0, 1.0]])
    half = streams.add(*encode_block(x, model_file.model.schema, traceparent=CARRIED))
    for record, outcome, reason in ((garbage, "rejected", "missing_feature"), (half, "predicted", "not_finite")):
        span = collector.of_record(record)
        assert span.failed
        assert span.attributes["error.type"] == reason
        assert span.attributes["streamgauge.outcome"] == outcome
        results = streams.entries(streams.partition.predictions) + streams.entries(streams.partition.rejected)
        ours = [field_map(result.fields) for result in results if record in result.fields]
        assert {result[b"_traceparent"] for result in ours} == {span.traceparent}
    assert traced.end() == 0


def test_records_without_a_trace_and_unsampled_ones_have_the_batchs_span_alone(
    traced: Scorer, streams: Streams, server_url: str, pipeline: str, collector: Collector
) -> None:
    bare = streams.add(*PLAIN)
    assert carried(streams, bare) is None
    unsampled = streams.add(*PLAIN, "_traceparent", UNSAMPLED)
    assert carried(streams, unsampled) == UNSAMPLED
    off = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("a caller's program")
    with Producer(server_url, pipeline, tracing=True) as producer, off.start_as_current_span("unsampled"):
        producer.send(NUMBERS)
    last = streams.entries(streams.partition.records)[-1]
    assert b"_traceparent" not in last.fields
    streams.await_results({last.id})
    assert traced.end() == 0  # what waits is sent
    spans = collector.all()
    assert all("messaging.message.id" not in span.attributes for span in spans)
    assert sum(int(span.attributes["messaging.batch.message_count"]) for span in spans) == 3


def test_a_batch_links_to_a_bounded_number_of_traces(
    traced: Scorer, streams: Streams, collector: Collector
) -> None:
    commands = [
        ["XADD", streams.partition.records, "*", *PLAIN, "_traceparent", f"00-{n:032x}-{n:016x}-01"]
        for n in range(1, 401)
    ]
    records = streams.connection.pipeline(commands)
    spans = [collector.of_record(record) for record in records]
    assert [int(span.trace_id, 16) for span in spans] == list(range(1, 401))
    batches = [span for span in collector.seen if "messaging.batch.message_count" in span.attributes]
    assert max(int(span.attributes["messaging.batch.message_count"]) for span in batches) > 32
    assert max(len(span.links) for span in batches) == 32
    assert traced.end() == 0


def test_a_shadow_continues_the_trace_in_its_own_results(
    traced: Scorer,
    start_scorer: StartScorer,
    server_url: str,
    pipeline: str,
    streams: Streams,
    collector: Collector,
    make_model_file: MakeModelFile,
) -> None:
    ShadowRegistry(streams.connection, streams.keys).begin(CANDIDATE, make_model_file(seed=9))
    options = ("--redis-url", server_url, "--pipeline", pipeline, "--otlp-endpoint", collector.url)
    shadow = start_scorer(*options, "--shadow", CANDIDATE).ready()
    record = streams.add(*PLAIN, "_traceparent", CARRIED)
    services = ("streamgauge-scorer", "streamgauge-shadow")
    spans = {name: collector.of_record(record, name) for name in services}
    assert {span.trace_id for span in spans.values()} == {TRACE}
    assert carried(streams, record) == spans["streamgauge-scorer"].traceparent
    (own,) = streams.entries(streams.partition.shadow(CANDIDATE).predictions)
    assert field_map(own.fields)[b"_traceparent"] == spans["streamgauge-shadow"].traceparent
    assert (shadow.end(), traced.end()) == (0, 0)


def test_a_collector_that_is_away_or_hangs_stops_neither_scoring_nor_the_end(
    start_scorer: StartScorer, server_url: str, pipeline: str, production: RedisRegistry, streams: Streams
) -> None:
    assert production.production() is not None
    with socket.create_server(("127.0.0.1", 0)) as hangs:  # accepts, and never answers
        for port in (1, hangs.getsockname()[1]):
            options = ("--redis-url", server_url, "--pipeline", pipeline)
            endpoint = ("--otlp-endpoint", f"http://127.0.0.1:{port}")
            patient = {"OTEL_EXPORTER_OTLP_TIMEOUT": "600"}
            scorer = start_scorer(*options, *endpoint, environment=patient).ready()
            records = [streams.add(*PLAIN, "_traceparent", CARRIED) for _ in range(50)]
            streams.await_results(set(records))
            if port == 1:
                assert "retrying" in scorer.logged("traces not delivered")["detail"]
            assert scorer.end() == 0
    assert len(streams.predictions()) == 100


def test_without_the_extra_one_sentence_says_what_to_install(
    start_scorer: StartScorer, server_url: str, pipeline: str, tmp_path: Path
) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('none here')\n")
    scorer = start_scorer(
        *("--redis-url", server_url, "--pipeline", pipeline, "--otlp-endpoint", "http://127.0.0.1:4318"),
        environment={"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"},
    )
    assert scorer.end(signal.SIGCONT) == 2
    (line,) = scorer.log
    assert line.startswith("streamgauge: otlp_endpoint is set and OpenTelemetry is not installed")
    assert "streamgauge[tracing]" in line
