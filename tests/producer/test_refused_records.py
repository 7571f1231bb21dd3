"""What cannot travel is refused by ``send`` and not taken; whatever can is sent, for the scorer to judge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.errors import DataError
from core.keys import PipelineKeys
from core.record_decoder import RecordDecoder
from core.schema import Schema
from producer.client import Producer
from tests.producer.conftest import Stream

MAX_BYTES = 1 << 20


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"_n": 1}, "underscore"),
        ({"": 1}, "empty"),
        ({"a": [1]}, "neither number nor text"),
        ({"a": "\ud800"}, "neither number nor text"),
        ({"a": 10**400}, "neither number nor text"),
        ({"a": msgspec.Raw(b"1,2"), "b": 3}, "neither number nor text"),
        ({f"f{number}": 1 for number in range(4_000)}, "at most 3900"),
    ],
)
@pytest.mark.parametrize("block", [False, True])
def test_a_record_that_cannot_travel_is_refused_before_it_is_taken(
    server_url: str, pipeline: str, schema: Schema, features: Any, words: str, block: bool
) -> None:
    with Producer(server_url, pipeline, block=block, schema=schema) as producer:
        producer.send({"a": 1, "b": 2})
        producer.flush()
        with pytest.raises(DataError, match=words):
            producer.send(features)
        assert producer.unsent == 0


@pytest.mark.parametrize(
    "beside", [{"id": "\ud800"}, {"id": 10**5_000}, {"key": 10**5_000}, {"label": 10**400}, {"event_time_ms": [1]}]
)
@pytest.mark.parametrize("block", [False, True])
def test_what_cannot_travel_beside_a_record_refuses_it(
    server_url: str, pipeline: str, schema: Schema, beside: Any, block: bool
) -> None:
    with Producer(server_url, pipeline, block=block, schema=schema) as producer:
        with pytest.raises(DataError):
            producer.send({"a": 1, "b": 2}, **beside)
        assert producer.unsent == 0


def test_a_record_without_values_is_sent_to_be_rejected(
    server_url: str, pipeline: str, keys: PipelineKeys, schema: Schema, stream: Stream
) -> None:
    with Producer(server_url, pipeline) as producer:
        producer.send({"a": None})
    batch = RecordDecoder(schema, MAX_BYTES).decode(stream(keys.partition(0).records))
    assert [rejection.reason for rejection in batch.rejections] == ["missing_feature"]
