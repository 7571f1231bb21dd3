"""Which partition a record goes to: by its key, by its id, or in turn; a retry never changes it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from bench.chaos.proxy import Proxy
from core.entry import field_map
from core.errors import DataError, SettingsError
from core.keys import PipelineKeys
from core.record_decoder import RecordDecoder
from core.schema import Schema
from producer.client import Producer
from tests.producer.conftest import Stream
from tests.producer.keys import key_of

NEVER_MS = 3_600_000.0


def ids_by_partition(stream: Stream, keys: PipelineKeys, partitions: int) -> list[list[bytes]]:
    """Record ids of plain entries."""
    return [
        [field_map(entry.fields)[b"_id"] for entry in stream(keys.partition(number).records)]
        for number in range(partitions)
    ]


def test_records_of_one_key_share_a_partition_and_keep_their_order(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline, partitions=3, batch_rows=4, linger_ms=NEVER_MS) as producer:
        for number in range(60):
            producer.send({"a": number}, id=number, key=key_of(3, number % 3))
    found = ids_by_partition(stream, keys, 3)
    assert found == [[b"%d" % number for number in range(first, 60, 3)] for first in range(3)]


def test_a_key_does_not_travel(server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream) -> None:
    with Producer(server_url, pipeline) as producer:
        producer.send({"a": 1.5}, key="customer-7")
    (entry,) = stream(keys.partition(0).records)
    assert entry.fields == [b"a", b"1.5"]


def test_in_turn_ids_do_not_matter(server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream) -> None:
    same = key_of(3, 1)
    with Producer(
        server_url, pipeline, partitions=3, batch_rows=2, linger_ms=NEVER_MS, partition_by="turn"
    ) as producer:
        for _ in range(12):
            producer.send({"a": 1}, id=same)
    assert [len(ids) for ids in ids_by_partition(stream, keys, 3)] == [4, 4, 4]


def test_another_choice_is_refused(server_url: str, pipeline: str) -> None:
    with pytest.raises(SettingsError, match="partition_by is 'random'; choose id or turn"):
        Producer(server_url, pipeline, partition_by="random")  # type: ignore[arg-type]  # the mistake under test


def test_rows_go_by_their_keys_too(
    server_url: str, pipeline: str, keys: PipelineKeys, schema: Schema, stream: Stream
) -> None:
    x = np.arange(40.0).reshape(20, 2)
    by_number = [key_of(2, number % 2) for number in range(20)]
    with Producer(server_url, pipeline, schema=schema, partitions=2, batch_rows=6) as producer:
        producer.send_rows(x, ids=range(20), keys=by_number)
        with pytest.raises(DataError, match="1 keys for 20 rows"):
            producer.send_rows(x, keys=["one"])
    for number in range(2):
        batch = RecordDecoder(schema, 1 << 20).decode(stream(keys.partition(number).records))
        np.testing.assert_array_equal(batch.x, x[number::2])


@pytest.mark.parametrize("options", [{}, {"partition_by": "turn"}])
def test_a_retry_stays_in_its_partition(
    proxy: Proxy, pipeline: str, keys: PipelineKeys, stream: Stream, options: dict[str, Any]
) -> None:
    with Producer(
        proxy.url, pipeline, partitions=3, batch_rows=2, linger_ms=NEVER_MS, notify=lambda _: None, **options
    ) as producer:
        for number in range(120):
            if number % 10 == 0:
                proxy.cut_all()
            producer.send({"a": number}, id=f"r-{number}")
        assert producer.flush() == 0
        assert producer.sent_records == 120
    found = Counter(record_id for ids in ids_by_partition(stream, keys, 3) for record_id in ids)
    assert found == Counter(b"r-%d" % number for number in range(120))
