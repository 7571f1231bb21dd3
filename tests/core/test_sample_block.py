from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import Entry
from core.sample_block import MAX_ENTRY_BYTES, UNNUMBERED, SampleBlock, decode_sample_block, is_sampled


def _block(rows: int, width: int) -> SampleBlock:
    generator = np.random.default_rng(rows)
    return SampleBlock(
        7,
        "0123456789abcdef",
        generator.normal(size=(rows, width)),
        generator.choice([0.0, 1.0, np.nan], rows),
        [b"id\xff %d" % row for row in range(rows)],
        generator.integers(0, 2**63 - 1, (rows, 4)),
        np.sort(generator.integers(0, 2**63 - 1, rows)),
    )


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (3, 7), (5_000, 7), (300, 500), (2, 60_000)])
def test_a_block_reads_back_to_the_bit_over_all_its_entries(rows: int, width: int) -> None:
    block = _block(rows, width)
    parts = [decode_sample_block(Entry(b"1-0", fields)) for fields in block.encode()]
    assert {(part.window, part.schema) for part in parts} == {(7, "0123456789abcdef")}
    assert np.concatenate([part.x for part in parts]).tobytes() == block.x.tobytes()
    assert np.concatenate([part.y for part in parts]).tobytes() == block.y.tobytes()
    assert np.concatenate([part.positions for part in parts]).tolist() == block.positions.tolist()
    assert np.concatenate([part.records for part in parts]).tolist() == block.records.tolist()
    assert [record_id for part in parts for record_id in part.ids] == block.ids


@pytest.mark.parametrize(("rows", "width"), [(50_000, 1), (3_000, 100)])
def test_no_entry_exceeds_the_limit(rows: int, width: int) -> None:
    sizes = [sum(map(len, fields)) for fields in _block(rows, width).encode()]
    assert len(sizes) > 1
    assert max(sizes) <= MAX_ENTRY_BYTES


@pytest.mark.parametrize("missing", [b"_n", b"window", b"_schema", b"_x", b"_y", b"_ids", b"_positions"])
def test_what_the_monitor_did_not_write_is_refused(missing: bytes) -> None:
    (fields,) = _block(3, 2).encode()
    at = fields.index(missing)
    with pytest.raises((KeyError, ValueError)):
        decode_sample_block(Entry(b"1-0", fields[:at] + fields[at + 2 :]))


def test_rows_written_before_there_were_numbers_have_none() -> None:
    (fields,) = _block(3, 2).encode()
    at = fields.index(b"_records")
    older = decode_sample_block(Entry(b"1-0", fields[:at] + fields[at + 2 :]))
    assert older.records.tolist() == [UNNUMBERED] * 3
    with pytest.raises(ValueError, match="reshape"):  # a number a row, or none at all
        decode_sample_block(Entry(b"1-0", [*fields[:at], b"_records", bytes(16), *fields[at + 2 :]]))


@given(st.binary(min_size=1, max_size=128), st.floats(0, 1), st.floats(0, 1))
def test_a_record_of_a_smaller_share_is_in_every_larger_one(record_id: bytes, one: float, two: float) -> None:
    smaller, larger = sorted((one, two))
    assert not is_sampled(record_id, smaller) or is_sampled(record_id, larger)
    assert is_sampled(record_id, 1.0)
    assert not is_sampled(record_id, 0.0)


def test_the_share_is_kept_over_many_ids() -> None:
    kept = sum(is_sampled(b"0-1700000000000-0-%d" % row, 0.25) for row in range(20_000))
    assert kept == pytest.approx(5_000, rel=0.05)


GOOD = SampleBlock(
    3,
    "f" * 16,
    np.zeros((3, 2)),
    np.array([0.0, 1.0, np.nan]),
    [b"a", b"b", b"c"],
    np.array([[5, 0, 0, 1], [5, 1, 0, 0], [5, 1, 1, 0]]),
    np.array([7, 9, 10]),
)


def test_what_a_monitor_wrote_is_plausible() -> None:
    assert GOOD.is_plausible
    assert replace(GOOD, records=np.full(3, UNNUMBERED)).is_plausible


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": [b"a", b"b"]},
        {"y": np.array([0.0, 1.0])},
        {"y": np.array([0.0, 1.0, 7.0])},
        {"x": np.full((3, 2), np.inf)},
        {"records": np.array([7, 7, 8])},
        {"records": np.array([-1, 0, 1])},
        {"positions": np.array([[5, 0, 0, 1], [5, 1, 1, 0], [5, 1, 0, 0]])},
        {"positions": np.array([[-1, 0, 0, 1], [5, 1, 0, 0], [5, 1, 1, 0]])},
        {"positions": np.array([[5, 0, 0, 1], [5, 1, 0, 0], [2**62, 1, 1, 0]])},
    ],
)
def test_what_no_monitor_writes_is_not(changes: dict[str, Any]) -> None:
    assert not replace(GOOD, **changes).is_plausible
