from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import Entry, field_map
from core.errors import DataError
from core.keys import PipelineKeys
from producer.client import Producer
from producer.labels import Label, pack_labels

Stream = Callable[[str], list[Entry]]


def test_one_label_and_many_stand_on_the_wire_as_documented(
    server_url: str, pipeline: str, keys: PipelineKeys, stream: Stream
) -> None:
    with Producer(server_url, pipeline) as producer:
        producer.send_label("r-1", "Besni")
        producer.send_labels(["r-2", 3], np.array([0.0, 1.0]))
        producer.send_labels(["r-4", "r-5"], ["Besni", 0])
    assert producer.sent_labels == 5
    assert producer.sent_records == 0
    first, many, *single = [field_map(entry.fields) for entry in stream(keys.labels)]
    assert first == {b"id": b"r-1", b"y": b"Besni"}
    assert many == {b"_ids": b"r-2\n3", b"_y": np.array([0.0, 1.0]).tobytes()}
    assert single == [{b"id": b"r-4", b"y": b"Besni"}, {b"id": b"r-5", b"y": b"0"}]


@given(
    st.lists(st.tuples(st.text("ab", min_size=1, max_size=20), st.integers(0, 1)), max_size=50),
    st.integers(64, 300),
)
def test_packed_labels_fit_and_none_is_lost(pairs: list[tuple[str, int]], max_entry_bytes: int) -> None:
    packed = list(pack_labels([i for i, _ in pairs], [y for _, y in pairs], max_entry_bytes))
    found: list[tuple[str, int]] = []
    for entry in packed:
        assert sum(map(len, entry.fields)) <= max_entry_bytes
        fields = field_map(entry.fields)
        ids = fields[b"_ids"].decode().split("\n")
        assert len(ids) == entry.records
        found += zip(ids, np.frombuffer(fields[b"_y"], "<f8").astype(int).tolist(), strict=True)
    assert found == pairs


@pytest.mark.parametrize(
    ("ids", "labels", "words"),
    [
        (["a"], [2], "send 0, 1 or a class name"),
        (["a"], [float("nan")], "send 0, 1 or a class name"),
        (["a"], [""], "is empty"),
        (["a\nb"], [1], "control characters"),
        ([None], [1], "1 to 128 bytes"),
        (["a", "b"], [1], "do not pair up"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_whole(ids: list[str], labels: list[Label], words: str) -> None:
    with pytest.raises(DataError, match=words):
        list(pack_labels(ids, labels, 1 << 20))
