"""Blocks: every fault of the whole block in order, bad rows alone, good rows kept, bytes as they came."""

from __future__ import annotations

import numpy as np
import pytest

from core.entry import Entry
from core.model import Floats
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block
from core.record_rows import RecordBatch
from core.rejection import decode_rejection
from core.schema import Schema

SCHEMA = Schema(("a", "b", "c"))
X = np.arange(12.0).reshape(4, 3)


def block(**changes: bytes | None) -> list[bytes]:
    """The fields of a good block of four rows with some replaced, added, or (None) left out."""
    fields = encode_block(X, SCHEMA)
    values: dict[bytes, bytes | None] = dict(zip(fields[::2], fields[1::2], strict=True))
    values |= {name.encode(): value for name, value in changes.items()}
    return [part for name, value in values.items() if value is not None for part in (name, value)]


def decode(*entries: list[bytes]) -> RecordBatch:
    numbered = [Entry(b"1-%d" % index, fields) for index, fields in enumerate(entries)]
    return RecordDecoder(SCHEMA, 2**20).decode(numbered)


def floats(*values: float) -> bytes:
    return np.array(values, dtype="<f8").tobytes()


def test_a_block_comes_out_as_it_went_in() -> None:
    ids = [b"p", b"\xff", b"q q", b"x" * 128]
    labels = np.array([0.0, 1.0, np.nan, 1.0])
    batch = decode(encode_block(X, SCHEMA, ids, 17, labels))
    (rows,) = batch.entries
    assert batch.rejections == []
    assert batch.x.tobytes() == X.tobytes()
    assert rows.labels is not None
    assert (rows.plain, rows.rows, rows.ids, rows.event_time_ms) == (False, None, tuple(ids), 17)
    assert rows.labels.tobytes() == labels.tobytes()
    assert rows.row_numbers() == [0, 1, 2, 3]


def test_plain_records_come_first_and_blocks_keep_their_rows() -> None:
    plain = [b"a", b"1", b"b", b"2", b"c", b"3"]
    batch = decode(block(), plain, block(), plain)
    assert [rows.plain for rows in batch.entries] == [True, True, False, False]
    assert batch.x.tobytes() == np.vstack([[1, 2, 3], [1, 2, 3], X, X]).astype(float).tobytes()
    assert [(rows.start, rows.stop) for rows in batch.entries] == [(0, 1), (1, 2), (2, 6), (6, 10)]


@pytest.mark.parametrize(
    ("changes", "reason", "named"),
    [
        ({"_ts": b"x"}, "bad_field", "_ts"),
        ({"_n": b"0"}, "bad_block", "_n"),
        ({"_n": b"04"}, "bad_block", "_n"),
        ({"_n": b""}, "bad_block", "_n"),
        ({"_n": b"-4"}, "bad_block", "_n"),
        ({"_n": b"4.0"}, "bad_block", "_n"),
        ({"_n": b"9" * 5000}, "bad_block", "_n"),
        ({"_n": b"5"}, "bad_block", "_x"),
        ({"_n": b"2"}, "bad_block", "_x"),
        ({"_n": b"999999999"}, "bad_block", "_x"),
        ({"_x": None}, "bad_block", "_x"),
        ({"_x": b""}, "bad_block", "_x"),
        ({"_x": X.tobytes()[:-1]}, "bad_block", "_x"),
        ({"_schema": None}, "bad_block", "_schema"),
        ({"_ids": b"a\nb\nc"}, "bad_block", "_ids"),
        ({"_ids": b""}, "bad_block", "_ids"),
        ({"_ids": b"a\nb\nc\nd\n"}, "bad_block", "_ids"),
        ({"_y": b""}, "bad_block", "_y"),
        ({"_y": floats(1.0)}, "bad_block", "_y"),
        ({"_schema": b"0" * 16}, "unknown_schema", SCHEMA.fingerprint),
        ({"_schema": b"\xff"}, "unknown_schema", SCHEMA.fingerprint),
        ({"_schema": SCHEMA.fingerprint.upper().encode()}, "unknown_schema", SCHEMA.fingerprint),
    ],
)
def test_a_fault_of_the_whole_block_rejects_it_whole(
    changes: dict[str, bytes | None], reason: str, named: str
) -> None:
    fields = block(**changes)
    batch = decode(fields)
    assert batch.entries == []
    (rejection,) = batch.rejections
    assert (rejection.reason, rejection.entry, rejection.count) == (reason, fields, 1)
    assert named in rejection.detail


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"_ts": b"x", "_n": b"0"}, "bad_field"),
        ({"_schema": b"other", "_n": b"0"}, "bad_block"),
        ({"_schema": b"other", "_ids": b"a"}, "bad_block"),
        ({"_schema": b"other", "_y": b"a"}, "bad_block"),
        ({"_schema": b"other", "_x": floats(*[np.nan] * 12)}, "unknown_schema"),
    ],
)
def test_the_first_fault_of_a_block_is_given(changes: dict[str, bytes | None], first: str) -> None:
    assert decode(block(**changes)).rejections[0].reason == first


def test_bad_rows_are_rejected_alone_and_good_ones_kept() -> None:
    x = X.copy()
    x[1, 2] = np.inf
    x[3, 0] = np.nan
    batch = decode(encode_block(x, SCHEMA, ids=["p", "q", "r", "s"], labels=np.array([0.0, 1.0, 1.0, 0.0])))
    (rows,) = batch.entries
    assert rows.labels is not None
    assert batch.x.tobytes() == x[[0, 2]].tobytes()
    assert (rows.row_numbers(), rows.ids, rows.labels.tolist()) == ([0, 2], (b"p", b"r"), [0.0, 1.0])
    (rejection,) = batch.rejections
    assert (rejection.reason, rejection.count) == ("not_finite", 2)
    assert "c of row 1 is inf" in rejection.detail
    written = dict(zip(rejection.encode()[::2], rejection.encode()[1::2], strict=True))
    assert np.frombuffer(written[b"_rows"], "<i4").tolist() == [1, 3]
    assert written[b"_x"] == x[[1, 3]].tobytes()
    assert written[b"_ids"] == b"q\ns"
    assert written[b"_schema"] == SCHEMA.fingerprint.encode()
    assert b"entry" not in written


def test_rows_are_rejected_once_an_entry_and_reason_with_field_before_number() -> None:
    x = X.copy()
    x[1:3] = np.nan
    batch = decode(encode_block(x, SCHEMA, ids=["", "q", "r\x01", "s"], labels=np.array([1.0, 2.0, 1.0, 0.0])))
    assert [rows.row_numbers() for rows in batch.entries] == [[3]]
    (rejection,) = batch.rejections
    assert rejection.block_rows is not None
    assert (rejection.reason, rejection.block_rows.rows.tolist()) == ("bad_field", [0, 1, 2])
    assert "id of row 0" in rejection.detail


def test_a_block_of_bad_rows_only_leaves_no_rows() -> None:
    batch = decode(encode_block(X * np.nan, SCHEMA))
    assert batch.entries == []
    assert batch.x.shape == (0, 3)
    assert [rejection.count for rejection in batch.rejections] == [4]


@pytest.mark.parametrize("label", [0.5, -1.0, 2.0, np.inf, 5e-324])
def test_a_label_that_is_none_rejects_its_row(label: float) -> None:
    batch = decode(block(_y=floats(1.0, label, np.nan, 0.0)))
    (rejection,) = batch.rejections
    assert rejection.reason == "bad_field"
    assert "_y of row 1" in rejection.detail
    assert repr(label) in rejection.detail
    assert batch.entries[0].row_numbers() == [0, 2, 3]


def test_every_bit_of_a_rejected_row_survives() -> None:
    """Signalling and payload-carrying nans, negative zero, subnormals: what came is what is kept."""
    bits = np.array(
        [
            [0x7FF0000000000001, 0xFFF8DEADBEEF0001, 0x8000000000000000],
            [1, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000],
        ],
        dtype="<u8",
    )
    fields = [
        b"_n",
        b"2",
        b"_x",
        bits.tobytes(),
        b"_schema",
        SCHEMA.fingerprint.encode(),
        b"_y",
        bits[0, :2].tobytes(),
    ]
    (rejection,) = decode(fields).rejections
    again = decode_rejection(Entry(b"2-0", rejection.encode()))
    assert again.block_rows is not None
    assert again.block_rows.x.tobytes() == bits.tobytes()


def test_a_block_of_a_mebibyte_is_read_without_a_copy() -> None:
    x = np.random.default_rng(0).normal(size=(40_000, 3))
    batch = decode(encode_block(x, SCHEMA))
    assert batch.x.base is not None
    assert batch.x.tobytes() == x.tobytes()


@pytest.mark.parametrize(
    ("x", "ids", "labels"),
    [
        (np.ones((2, 2)), None, None),
        (np.ones((0, 3)), None, None),
        (np.ones(3), None, None),
        (np.ones((2, 3)), ["a"], None),
        (np.ones((2, 3)), None, np.ones(3)),
    ],
)
def test_the_encoder_refuses_what_makes_no_block(x: Floats, ids: list[str] | None, labels: Floats | None) -> None:
    with pytest.raises(ValueError, match="rows"):
        encode_block(x, SCHEMA, ids, labels=labels)


def test_any_memory_order_and_width_of_float_encodes_alike() -> None:
    expected = encode_block(X, SCHEMA)
    sames: list[Floats] = [np.asfortranarray(X), X.astype(">f8"), X.astype(np.float32), X[::-1][::-1]]
    for same in sames:
        assert encode_block(same, SCHEMA) == expected


def test_nothing_that_a_block_holds_reaches_the_caller_as_an_exception() -> None:
    hostile = block(_x=b"\xff" * 96, _ids=b"\n\n\n", _y=b"\xff" * 32)
    batch = decode(hostile)
    assert sum(rejection.count for rejection in batch.rejections) == 4
