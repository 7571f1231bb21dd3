"""Blocks: rows packed by the client, from single records and from arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bench.chaos.proxy import Proxy
from core.connection import Connection
from core.entry import Entry
from core.errors import DataError, NoProductionModel, ServerUnavailable
from core.keys import MONITORS, SCORERS, PipelineKeys
from core.record_decoder import RecordDecoder
from core.redis_registry import RedisRegistry
from core.schema import Schema
from producer.client import Producer
from tests.record_ids import record_ids

Stream = Callable[[str], list[Entry]]

#: A linger that no test lives to see.
NEVER_MS = 3_600_000.0
MAX_BYTES = 1 << 20


@pytest.fixture
def records(connection: Connection, keys: PipelineKeys) -> str:
    """The records stream of partition 0, with both groups at its start."""
    name = keys.partition(0).records
    for group in (SCORERS, MONITORS):
        connection.call("XGROUP", "CREATE", name, group, "0", "MKSTREAM")
    return name


def test_blocks_of_send_decode_to_the_rows_that_were_sent(
    server_url: str, pipeline: str, keys: PipelineKeys, production: RedisRegistry, schema: Schema, stream: Stream
) -> None:
    assert production.production() is not None
    with Producer(server_url, pipeline, block=True, batch_rows=4, linger_ms=NEVER_MS) as producer:
        producer.send({"b": 0.1, "a": "1e3", "other": 5}, id="r-0", label="yes")
        producer.send({"a": -0.0, "b": 2}, id="r-1")
        producer.send({"a": "wrong", "b": 2}, id="r-2")
        producer.send({"a": 7}, id="r-3", label=0)
    entries = stream(keys.partition(0).records)
    assert len(entries) == 3
    assert (producer.sent_records, producer.sent_entries) == (4, 3)
    batch = RecordDecoder(schema, MAX_BYTES).decode(entries)
    assert batch.x.tolist() == [[1000.0, 0.1], [-0.0, 2.0]]
    (rows,) = batch.entries
    assert rows.ids == (b"r-0", b"r-1")
    assert rows.labels is not None
    np.testing.assert_array_equal(rows.labels, [1.0, np.nan])
    assert {(rejection.id, rejection.reason) for rejection in batch.rejections} == {
        (b"r-2", "not_a_number"),
        (b"r-3", "missing_feature"),
    }


def test_arrays_go_as_blocks_that_fit_and_keep_their_order(
    server_url: str, pipeline: str, keys: PipelineKeys, schema: Schema, stream: Stream
) -> None:
    x = np.random.default_rng(1).normal(size=(1_000, 2))
    ids = [f"r-{row}" for row in range(1_000)]
    with Producer(server_url, pipeline, schema=schema, batch_rows=300, max_entry_bytes=2_000) as producer:
        producer.send_rows(x, ids, ["yes", "no"] * 500)
    entries = stream(keys.partition(0).records)
    assert max(entry.size_bytes for entry in entries) <= 2_000
    batch = RecordDecoder(schema, 2_000).decode(entries)
    assert batch.rejections == []
    np.testing.assert_array_equal(batch.x, x)
    assert [i.decode() for rows in batch.entries for i in record_ids(rows, 0)] == ids
    assert producer.sent_records == 1_000


def test_arrays_with_ids_are_spread_as_single_records_are(
    server_url: str, pipeline: str, keys: PipelineKeys, schema: Schema, stream: Stream
) -> None:
    x = np.arange(40.0).reshape(20, 2)
    ids = [f"r-{row}" for row in range(20)]
    with Producer(server_url, pipeline, schema=schema, partitions=2) as producer:
        producer.send_rows(x, ids)
        for row, record_id in enumerate(ids):
            producer.send({"a": x[row, 0], "b": x[row, 1]}, id=record_id)
    for number in range(2):
        batch = RecordDecoder(schema, MAX_BYTES).decode(stream(keys.partition(number).records))
        blocks = [set(record_ids(rows, number)) for rows in batch.entries if not rows.plain]
        plain = {i for rows in batch.entries if rows.plain for i in record_ids(rows, number)}
        assert set().union(*blocks) == plain


def test_a_block_without_a_model_says_what_to_do(server_url: str, pipeline: str) -> None:
    with pytest.raises(NoProductionModel, match="promote one, pass a schema, or send plain records"):
        Producer(server_url, pipeline, block=True)


@pytest.mark.parametrize(
    ("x", "ids", "labels", "words"),
    [
        (np.zeros((2, 3)), None, None, "shape"),
        (np.zeros((2, 2)), ["one"], None, "1 ids for 2 rows"),
        (np.zeros((2, 2)), ["one", "two\n"], None, "control characters"),
        (np.zeros((2, 2)), None, ["yes"], "1 labels for 2 rows"),
        (np.zeros((2, 2)), None, ["yes", "maybe"], "maybe"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_whole(
    server_url: str, pipeline: str, schema: Schema, x: Any, ids: Any, labels: Any, words: str
) -> None:
    with Producer(server_url, pipeline, schema=schema) as producer:
        with pytest.raises(DataError, match=words):
            producer.send_rows(x, ids, labels)
        assert (producer.sent_records, producer.unsent) == (0, 0)


def test_an_array_whose_server_goes_away_is_taken_whole(
    proxy: Proxy, pipeline: str, keys: PipelineKeys, schema: Schema, stream: Stream
) -> None:
    x = np.arange(40.0).reshape(20, 2)
    with Producer(
        proxy.url, pipeline, schema=schema, batch_rows=1, give_up_s=0.05, notify=lambda _: None
    ) as producer:
        proxy.refuse()
        with pytest.raises(ServerUnavailable):
            producer.send_rows(x)
        assert producer.unsent == 20
        proxy.accept()
        assert producer.flush() == 0
    batch = RecordDecoder(schema, MAX_BYTES).decode(stream(keys.partition(0).records))
    np.testing.assert_array_equal(batch.x, x)
