from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.entry import Entry
from core.record_decoder import RecordDecoder
from core.schema import Schema
from producer.batcher import Batcher, BlockRow, pack_blocks
from tests.producer.packed_fields import fields_of

SCHEMA = Schema(("a", "b", "c"), ("no", "yes"))
finite = st.floats(allow_nan=False, allow_infinity=False)
row = st.builds(
    BlockRow,
    st.lists(finite, min_size=3, max_size=3),
    st.none() | st.text("abc-", min_size=1, max_size=9).map(str.encode),
    st.none() | st.integers(0, 3),
    st.sampled_from([0.0, 1.0, float("nan")]),
)


@given(st.lists(row, min_size=1, max_size=40), st.integers(0, 800))
def test_sealed_rows_decode_to_those_that_were_added(rows: list[BlockRow], max_entry_bytes: int) -> None:
    batcher = Batcher(SCHEMA, max_entry_bytes)
    for one in rows:
        batcher.add_row(one)
    packed = batcher.seal()
    assert sum(call.records for call in packed) == len(rows)
    entries = [Entry(b"1-%d" % number, fields) for number, fields in enumerate(fields_of(packed))]
    batch = RecordDecoder(SCHEMA, 1 << 20).decode(entries)
    assert batch.rejections == []
    assert batch.x.tobytes() == np.array([one.values for one in rows]).tobytes()
    decoded = [
        (None if part.ids is None else part.ids[index], part.event_time_ms, _label(part.labels, index))
        for part in batch.entries
        for index in range(part.count)
    ]
    assert decoded == [(one.id, one.event_time_ms, _label(np.array([one.label]), 0)) for one in rows]


def _label(labels: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None, index: int) -> float | None:
    return None if labels is None or np.isnan(labels[index]) else float(labels[index])


@given(st.integers(1, 60), st.integers(60, 900), st.booleans())
def test_blocks_fit_wherever_one_row_fits(count: int, max_entry_bytes: int, with_ids: bool) -> None:
    ids = [b"record-%d" % number for number in range(count)] if with_ids else None
    packed = list(pack_blocks(np.ones((count, 3)), SCHEMA, max_entry_bytes, ids))
    assert sum(entry.records for entry in packed) == count
    for entry in packed:
        assert entry.records == 1 or sum(map(len, entry.fields)) <= max_entry_bytes


def test_a_plain_record_does_not_cut_a_block_in_two() -> None:
    batcher = Batcher(SCHEMA, 1 << 20)
    batcher.add_row(BlockRow([1.0, 2.0, 3.0]))
    batcher.add_plain([b"a", b"x"])
    batcher.add_row(BlockRow([4.0, 5.0, 6.0]))
    assert batcher.rows == 3
    first, second = fields_of(batcher.seal())
    assert first == [b"a", b"x"]
    assert b"_n" in second
    assert (batcher.rows, batcher.seal()) == (0, [])
