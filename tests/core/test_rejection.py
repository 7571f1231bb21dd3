"""Rejections keep what came, byte for byte."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import Entry
from core.rejection import REASONS, RejectedRows, Rejection, decode_rejection

_ALL_BYTES = bytes(range(256))


def test_reasons_stand_in_the_documented_order() -> None:
    assert REASONS == (
        "too_large", "unknown_version", "duplicate_field", "bad_field", "bad_block", "unknown_schema",
        "missing_feature", "not_a_number", "not_finite", "overflow", "poison",
    )  # fmt: skip


@given(
    st.lists(st.binary(max_size=30)),
    st.one_of(st.none(), st.binary(min_size=1, max_size=10)),
    st.text(max_size=20),
)
def test_a_whole_entry_reads_back_byte_for_byte(fields: list[bytes], record_id: bytes | None, detail: str) -> None:
    rejection = Rejection(b"5-1", "bad_field", detail, record_id, entry=fields)
    again = decode_rejection(Entry(b"9-9", rejection.encode()))
    assert (again.record, again.reason, again.id, again.entry) == (b"5-1", "bad_field", record_id, fields)
    assert again.detail == detail
    assert again.block_rows is None
    assert again.count == 1


def test_any_msgpack_reader_finds_the_entry() -> None:
    fields = [_ALL_BYTES, b"", b"_v", b"1", b"reason", b"mine"]
    written = Rejection(b"5-1", "poison", "d", entry=fields).encode()
    assert written[0:4] == [b"_v", b"1", b"record", b"5-1"]
    assert len(set(written[::2])) == len(written[::2])  # no clash with names inside the entry
    assert msgspec.msgpack.decode(dict(zip(written[::2], written[1::2], strict=True))[b"entry"]) == fields


@pytest.mark.parametrize("ids", [None, (b"p", b"\xff q")])
def test_rows_read_back_byte_for_byte(ids: tuple[bytes, ...] | None) -> None:
    x = np.array([[np.nan, -0.0, 5e-324], [np.inf, 1e308, 0.1]])
    rows = RejectedRows(np.array([3, 70_000], np.int32), x, "0123456789abcdef", ids)
    again = decode_rejection(Entry(b"9-9", Rejection(b"5-1", "not_finite", "d", block_rows=rows).encode()))
    assert again.block_rows is not None
    assert again.entry is None
    assert again.count == 2
    assert again.block_rows.rows.tolist() == [3, 70_000]
    assert again.block_rows.x.tobytes() == x.tobytes()
    assert (again.block_rows.schema, again.block_rows.ids) == ("0123456789abcdef", ids)


def test_a_detail_that_is_no_valid_text_is_still_written() -> None:
    written = Rejection(b"5-1", "bad_field", "odd \udcff", entry=[]).encode()
    assert b"odd \\udcff" in written
