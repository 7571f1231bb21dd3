"""Plain records: every reason in its order, whole entries kept, nothing raised for what an entry holds."""

from __future__ import annotations

import sys
import time
import traceback
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import Entry
from core.errors import RecordError
from core.record_decoder import MAX_LAYOUTS, RecordDecoder, reject_entry
from core.record_encoder import encode_block, encode_plain
from core.record_rows import RecordBatch
from core.rejection import REASONS, Rejection
from core.schema import Schema
from tests.record_ids import record_ids

SCHEMA = Schema(("a", "Größe"), ("no", "yes"))
A, G = b"a", "Größe".encode()
GOOD = [A, b"1.5", G, b"-2e3"]


def decode(*entries: list[bytes], max_entry_bytes: int = 10_000) -> RecordBatch:
    numbered = [Entry(b"1-%d" % index, fields) for index, fields in enumerate(entries)]
    return RecordDecoder(SCHEMA, max_entry_bytes).decode(numbered)


def only_rejection(fields: list[bytes], max_entry_bytes: int = 10_000) -> Rejection:
    batch = decode(fields, max_entry_bytes=max_entry_bytes)
    assert batch.entries == []
    assert batch.x.shape == (0, 2)
    (rejection,) = batch.rejections
    assert rejection.record == b"1-0"
    assert rejection.entry == fields
    return rejection


def test_a_record_is_read_whatever_the_order_of_its_fields() -> None:
    extra = [
        b"_id",
        b"\xff\xfe",
        b"other",
        b"x",
        G,
        b".5",
        b"_unknown",
        b"y",
        b"_ts",
        b"17",
        b"_y",
        b"yes",
        A,
        b"+3.",
    ]
    batch = decode(GOOD, extra, [b"_v", b"1", *GOOD])
    assert batch.rejections == []
    assert batch.x.tolist() == [[1.5, -2000.0], [3.0, 0.5], [1.5, -2000.0]]
    first, second, _ = batch.entries
    assert (first.ids, first.labels, first.event_time_ms) == (None, None, None)
    assert record_ids(first, 4) == [b"4-1-0-0"]
    assert second.labels is not None
    assert (second.ids, second.labels.tolist(), second.event_time_ms) == ((b"\xff\xfe",), [1.0], 17)
    assert [(rows.start, rows.stop, rows.plain) for rows in batch.entries] == [
        (0, 1, True),
        (1, 2, True),
        (2, 3, True),
    ]


@pytest.mark.parametrize(
    ("fields", "reason", "named"),
    [
        ([*GOOD, b"_v", b"2"], "unknown_version", "'2'"),
        ([*GOOD, b"_v", b""], "unknown_version", "''"),
        ([*GOOD, A, b"1"], "duplicate_field", "'a'"),
        ([*GOOD, b"other", b"", b"other", b""], "duplicate_field", "'other'"),
        ([*GOOD, b"_id", b"1", b"_id", b"2"], "duplicate_field", "'_id'"),
        ([*GOOD, b"_id", b""], "bad_field", "_id"),
        ([*GOOD, b"_id", b"x" * 129], "bad_field", "_id"),
        ([*GOOD, b"_id", b"a\nb"], "bad_field", "a\\nb"),
        ([*GOOD, b"_id", b"\x7f"], "bad_field", "_id"),
        ([*GOOD, b"_ts", b"-1"], "bad_field", "_ts"),
        ([*GOOD, b"_ts", b"1.5"], "bad_field", "_ts"),
        ([*GOOD, b"_ts", "١".encode()], "bad_field", "_ts"),
        ([*GOOD, b"_y", b"2"], "bad_field", "_y"),
        ([*GOOD, b"_y", b"\xff"], "bad_field", "_y"),
        ([A, b"1"], "missing_feature", "Größe"),
        ([], "missing_feature", "'a'"),
        ([b"\xff", b"\xff"], "missing_feature", "'a'"),
        ([A, b"1_000", G, b"1"], "not_a_number", "1_000"),
        ([A, b"", G, b"1"], "not_a_number", "a"),
        ([A, b"1", G, b"1\n2"], "not_a_number", "Größe"),
        ([A, b"1", G, b"\xff\xfe"], "not_a_number", "Größe"),
        ([A, b"nan", G, b"1"], "not_finite", "nan"),
        ([A, b"1", G, b"1e999"], "not_finite", "1e999"),
    ],
)
def test_each_fault_has_its_reason_and_names_field_and_value(fields: list[bytes], reason: str, named: str) -> None:
    rejection = only_rejection(fields)
    assert rejection.reason == reason
    assert named in rejection.detail


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        ([b"_v", b"2", b"d", b"", b"d", b"", b"_ts", b"x"], "unknown_version"),
        ([b"d", b"", b"d", b"", b"_ts", b"x"], "duplicate_field"),
        ([b"_ts", b"x", A, b"zero"], "bad_field"),
        ([A, b"zero"], "missing_feature"),
        ([A, b"inf", G, b"zero"], "not_a_number"),
        ([A, b"zero", G, b"inf"], "not_a_number"),
        ([b"_v", b"2", b"_n", b"x"], "unknown_version"),
        ([b"_n", b"x", b"_n", b"1"], "duplicate_field"),
        ([b"_n", b"x", b"_ts", b"x"], "bad_field"),
    ],
)
def test_the_first_reason_that_applies_is_given(fields: list[bytes], first: str) -> None:
    assert only_rejection(fields).reason == first
    assert only_rejection(fields, max_entry_bytes=1).reason == "too_large"


def test_size_is_names_and_values_and_the_limit_is_still_allowed() -> None:
    size = sum(map(len, GOOD))
    assert len(decode(GOOD, max_entry_bytes=size).entries) == 1
    assert only_rejection(GOOD, max_entry_bytes=size - 1).reason == "too_large"


@pytest.mark.parametrize("record_id", [b"x" * 128, b"\xff", b"a b", "é".encode()])
def test_a_rejection_carries_the_id_where_it_can_be_read(record_id: bytes) -> None:
    assert only_rejection([b"_id", record_id, A, b"bad", G, b"1"]).id == record_id
    assert only_rejection([b"_id", b"\n", A, b"1"]).id is None
    assert only_rejection([A, b"1"]).id is None


def test_bad_records_do_not_shift_the_good_ones() -> None:
    batch = decode(GOOD, [A, b"x", G, b"1"], [A, b"7", G, b"8"], [A, b"inf", G, b"1"], [A, b"9", G, b"0"])
    assert batch.x.tolist() == [[1.5, -2000.0], [7.0, 8.0], [9.0, 0.0]]
    assert [rows.entry.id for rows in batch.entries] == [b"1-0", b"1-2", b"1-4"]
    assert [rejection.record for rejection in batch.rejections] == [b"1-1", b"1-3"]


def test_a_layout_that_failed_once_does_not_fail_the_next_entry() -> None:
    decoder = RecordDecoder(SCHEMA, 10_000)
    versioned = [b"_v", b"2", b"_id", b"", *GOOD]
    mended = [b"_v", b"1", b"_id", b"x", *GOOD]
    for _ in range(2):
        batch = decoder.decode([Entry(b"1-0", versioned), Entry(b"1-1", mended), Entry(b"1-2", [A, b"1"])])
        assert [rows.entry.id for rows in batch.entries] == [b"1-1"]
        assert [rejection.reason for rejection in batch.rejections] == ["unknown_version", "missing_feature"]


def test_a_remembered_fault_gathers_no_traceback() -> None:
    decoder = RecordDecoder(SCHEMA, 10_000)
    depths = []
    for fields in ([A, b"1"], [A, b"1", A, b"1"]):
        for _ in range(3):
            with pytest.raises(RecordError) as caught:
                decoder._reserved(Entry(b"1-0", fields), decoder._layout(Entry(b"1-0", fields)))
            depths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert max(depths) == 2


def test_the_layout_memory_is_bounded_in_entries_and_bytes() -> None:
    decoder = RecordDecoder(SCHEMA, 2**20)
    for index in range(3 * MAX_LAYOUTS):
        decoder.decode([Entry(b"1-0", [b"noise%d" % index, b"1", *GOOD])])
        decoder.decode([Entry(b"1-0", [b"%d" % index + b"x" * 100_000, b"1", *GOOD])])
    assert len(decoder._layouts) <= MAX_LAYOUTS
    held = sum(sys.getsizeof(name) for names in decoder._layouts for name in names)
    assert held <= 16 * 2**20
    assert decoder.decode([Entry(b"1-0", GOOD)]).x.tolist() == [[1.5, -2000.0]]


@pytest.mark.parametrize("last", [b"99998", b"other"])
def test_a_hundred_thousand_fields_take_no_time(last: bytes) -> None:
    fields = [part for index in range(99_999) for part in (b"%d" % index, b"")] + [last, b""]
    started = time.process_time()
    reason = only_rejection(fields, max_entry_bytes=2**20).reason
    assert time.process_time() - started < 2
    assert reason == ("missing_feature" if last == b"other" else "duplicate_field")


@pytest.mark.parametrize("label", [0, 1, "no", "yes", 0.0, 1.0, b"1"])
def test_what_the_encoder_writes_is_what_comes_out(label: float | str) -> None:
    values = {"a": 0.1, "Größe": np.float64(5e-324)}
    fields = encode_plain(values, record_id="é", event_time_ms=5, label=label)
    (rows,) = decode(fields).entries
    assert rows.labels is not None
    assert (rows.ids, rows.event_time_ms) == (("é".encode(),), 5)
    assert rows.labels[0] == (label in {1, "yes", b"1"})
    assert decode(fields).x.tolist() == [[0.1, 5e-324]]


@pytest.mark.parametrize("label", [None, float("nan"), ""])
def test_a_label_that_is_unknown_is_no_fault(label: float | str | None) -> None:
    batch = decode(encode_plain({"a": 1, "Größe": 2}, label=label))
    assert batch.rejections == []
    assert batch.entries[0].labels is None or np.isnan(batch.entries[0].labels[0])


def test_poison_is_a_reason_like_any_other() -> None:
    rejection = reject_entry(Entry(b"1-0", GOOD), RecordError("poison", "it kills"))
    assert (rejection.reason, rejection.detail, rejection.entry) == ("poison", "it kills", GOOD)
    assert REASONS[-1] == "poison"


_NAMES = st.sampled_from(
    [A, G, b"_v", b"_id", b"_ts", b"_y", b"_n", b"_x", b"_schema", b"_ids", b"", b"\xff", b"other"]
)
_BLOCK = encode_block(np.array([[1.0, 2.0], [3.0, np.nan]]), SCHEMA, ids=["p", "q"])
_VALUES = st.one_of(
    st.sampled_from([b"1", b"2", b"0.5", b"nan", b"1e999", b"", b"yes", b"\n", *_BLOCK[1::2]]),
    st.binary(max_size=40),
    st.floats().map(repr).map(str.encode),
)
_FIELDS = st.one_of(
    st.lists(st.tuples(_NAMES, _VALUES), max_size=8).map(lambda pairs: [part for pair in pairs for part in pair]),
    st.permutations([_BLOCK[i : i + 2] for i in range(0, len(_BLOCK), 2)]).map(lambda pairs: [*chain(*pairs)]),
    st.tuples(_VALUES, _VALUES).map(lambda values: [A, values[0], G, values[1]]),
)


@given(st.lists(_FIELDS, max_size=6))
def test_any_entries_come_out_as_rows_or_rejections_exactly_once(entries: list[list[bytes]]) -> None:
    batch = decode(*entries)
    answered: dict[bytes, list[int]] = {}
    for rows in batch.entries:
        assert np.isfinite(batch.x[rows.start : rows.stop]).all()
        answered.setdefault(rows.entry.id, []).extend(rows.row_numbers())
    for rejection in batch.rejections:
        assert rejection.reason in REASONS
        if rejection.block_rows is None:
            assert rejection.entry == entries[int(rejection.record[2:])]
            assert rejection.record not in answered
            answered[rejection.record] = [0]
        else:
            answered.setdefault(rejection.record, []).extend(rejection.block_rows.rows.tolist())
    assert set(answered) == {b"1-%d" % index for index in range(len(entries))}
    for numbers in answered.values():
        assert sorted(numbers) == list(range(len(numbers)))
    assert sum(rows.count for rows in batch.entries) == len(batch.x)
