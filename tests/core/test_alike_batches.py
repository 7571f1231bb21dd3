"""The quick way for entries of one form gives what the way one by one gives, to the byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calibration import Calibration
from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from core.model import LogisticModel
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block
from core.record_rows import AlikeRows, RecordBatch, RecordRows
from core.schema import Schema
from core.scoring import ScoredBatch, score_batch
from core.scripts.commit import AlikeResults, CommitCall, EntryResult
from core.traceparent import FIELD as TRACEPARENT

MAX_BYTES = 100_000
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER_TRACE = b"00-%b-%b-00" % (b"1" * 32, b"2" * 16)
TEXTS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ["-0", "-0.0", "+1", ".5", "5.", "007", "1e5", "1E-400", " 1", "1 ", "1,2", "", "nan", "1e999", "[1]"]
    ),
)


def make_model(width: int, seed: int = 1) -> LogisticModel:
    generator = np.random.default_rng(seed)
    names = tuple(f"feature {number} %s" for number in range(width))
    return LogisticModel(
        Schema(names),
        generator.normal(size=width),
        0.25,
        generator.normal(size=width),
        generator.uniform(0.5, 3, width),
    )


def plain(number: int, names: Sequence[str], texts: Sequence[str]) -> Entry:
    return Entry(b"%d-1" % number, [part.encode() for pair in zip(names, texts, strict=True) for part in pair])


def told(rows: RecordRows) -> tuple[object, ...]:
    """All that rows say of themselves."""
    labels = None if rows.labels is None else rows.labels.tobytes()
    reserved = (rows.ids, labels, rows.event_time_ms, rows.traceparent)
    return rows.entry, rows.plain, rows.start, rows.stop, rows.rows, *reserved


def expect_same(quick: RecordBatch, slow: RecordBatch) -> None:
    assert quick.x.tobytes() == slow.x.tobytes()
    assert [told(rows) for rows in quick.entries] == [told(rows) for rows in slow.entries]
    assert [r.encode() for r in quick.rejections] == [r.encode() for r in slow.rejections]


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_plain_records_decode_alike_whatever_their_text(rows: list[tuple[str, str]]) -> None:
    model = make_model(2)
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    entries = [plain(number, model.schema.features, texts) for number, texts in enumerate(rows)]
    slow = decoder._decode_each(entries)
    expect_same(decoder.decode(entries), slow)
    expect_same(decoder.decode(entries, most_bytes=10), slow)


@pytest.mark.parametrize("rows", [1, 7])
def test_blocks_of_one_size_decode_at_once(rows: int) -> None:
    model = make_model(3)
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    x = np.random.default_rng(5).normal(size=(4 * rows, 3))
    entries = [
        Entry(b"%d-1" % n, list(encode_block(x[n * rows : (n + 1) * rows], model.schema))) for n in range(4)
    ]
    decoder.decode(entries[:1])  # the first entry of a layout is looked at by itself
    quick = decoder.decode(entries)
    assert isinstance(quick.entries, AlikeRows)
    assert quick.x.tobytes() == x.tobytes()
    expect_same(quick, decoder._decode_each(entries))


def _traced(entries: Sequence[Entry], values: Sequence[bytes | None]) -> list[Entry]:
    """The entries, some with a field that names a trace or should."""
    return [
        entry if value is None else Entry(entry.id, [*entry.fields[:2], b"_traceparent", value, *entry.fields[2:]])
        for entry, value in zip(entries, values, strict=True)
    ]


@given(
    st.booleans(),
    st.lists(st.sampled_from([None, None, None, TRACE, OTHER_TRACE, b"", b"\xff" * 200]), min_size=2, max_size=40),
    st.sampled_from([200, MAX_BYTES]),
)
def test_entries_of_which_some_name_a_trace_are_told_as_one_by_one(
    blocks: bool, values: list[bytes | None], limit: int
) -> None:
    model = make_model(2)
    decoder = RecordDecoder(model.schema, limit)
    encoder = PredictionEncoder(model.schema.features, model.intercept, "run", 0)
    if blocks:
        fields = encode_block(np.ones((2, 2)), model.schema)
        bare = [Entry(b"%d-1" % number, fields) for number in range(len(values))]
    else:
        bare = [plain(number, model.schema.features, ("1", "2.5")) for number in range(len(values))]
    entries = _traced(bare, values)
    slow = decoder._decode_each(entries)
    quick = decoder.decode(entries)
    expect_same(quick, slow)
    if None in values and not slow.rejections:
        assert isinstance(quick.entries, AlikeRows)
    pieces = encoder.encode_alike(score_batch(model, quick))
    if pieces is not None:
        assert [entry_id for piece in pieces for entry_id in piece.ids] == [entry.id for entry in entries]
        named = [TRACEPARENT in piece.fields for piece in pieces for _ in piece.ids]
        assert named == [rows.traceparent is not None for rows in slow.entries]


def _spoilt(fields: list[bytes], name: bytes, value: bytes) -> list[bytes]:
    at = fields.index(name) + 1
    return [*fields[:at], value, *fields[at + 1 :]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"_n", b"3"),
        (b"_n", b"x"),
        (b"_x", b"\0" * 40),
        (b"_x", np.array([1.0, np.nan, 1.0, 1.0, 1.0, 1.0]).tobytes()),
        (b"_schema", b"0" * 16),
        (b"_x", b"\0" * (MAX_BYTES + 1)),
    ],
)
def test_one_bad_block_among_good_ones_is_told_as_alone(name: bytes, value: bytes) -> None:
    model = make_model(3)
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    fields = list(encode_block(np.ones((2, 3)), model.schema))
    entries = [Entry(b"1-1", fields), Entry(b"2-1", _spoilt(fields, name, value)), Entry(b"3-1", fields)]
    decoder.decode(entries[:1])
    batch = decoder.decode(entries)
    assert [rejection.record for rejection in batch.rejections] == [b"2-1"]
    expect_same(batch, decoder._decode_each(entries))


@pytest.mark.parametrize("extra", [b"_id", b"_ts", b"_y", b"_v", b"other"])
def test_further_fields_are_heeded(extra: bytes) -> None:
    model = make_model(2)
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    entries = [plain(n, [*model.schema.features, extra.decode()], ["1", "2", f"{n + 1}"]) for n in range(3)]
    for _ in range(2):
        expect_same(decoder.decode(entries), decoder._decode_each(entries))


RESERVED = {"_id": ["a", "\u00e9", "c" * 128], "_ts": ["0", "7", "999"], "_y": ["no", "1", ""]}
BAD = {"_id": "", "_ts": "-1", "_y": "2"}


@pytest.mark.parametrize("names", [("_id",), ("_ts",), ("_y",), ("_y", "_id", "_ts")])
def test_plain_records_with_the_same_reserved_fields_decode_at_once(names: tuple[str, ...]) -> None:
    model = make_model(2)
    decoder = RecordDecoder(replace(model.schema, classes=("no", "yes")), MAX_BYTES)
    fields = [*model.schema.features, *names]
    entries = [plain(n, fields, ["1", f"{n}", *(RESERVED[name][n] for name in names)]) for n in range(3)]
    decoder.decode(entries[:1])
    quick = decoder.decode(entries)
    assert isinstance(quick.entries, AlikeRows)
    expect_same(quick, decoder._decode_each(entries))
    for name in names:
        spoilt = [entries[0], Entry(b"9-1", _spoilt(entries[1].fields, name.encode(), BAD[name].encode()))]
        batch = decoder.decode(spoilt)
        assert [(rejection.record, rejection.reason) for rejection in batch.rejections] == [(b"9-1", "bad_field")]
        expect_same(batch, decoder._decode_each(spoilt))


def scored(model: LogisticModel, rows: int, entries: int) -> ScoredBatch:
    """Blocks of ``rows``, or plain records (0; -1: with ids); probabilities from far below 1e-4 to one."""
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    x = np.random.default_rng(7).normal(scale=20, size=(entries * max(1, rows), model.schema.width))
    batch = [
        Entry(
            b"%d-%d" % (1_700_000_000_000 + n // 12, n % 12),
            list(encode_block(x[n * rows : (n + 1) * rows], model.schema))
            if rows > 0
            else plain(n, model.schema.features, [repr(value) for value in x[n].tolist()]).fields
            + ([b"_id", f"\u00e9{n}".encode()] if rows else []),
        )
        for n in range(entries)
    ]
    decoder.decode(batch[:1])
    return score_batch(model, decoder.decode(batch))


@pytest.mark.parametrize("rows", [-1, 0, 1, 5, 40])
@pytest.mark.parametrize("width", [1, 7])
@pytest.mark.parametrize("calibration", [None, Calibration("platt", np.array([0.1, -0.3]))])
def test_predictions_that_are_sent_together_are_written_as_one_by_one(
    server: Connection, keys: PipelineKeys, rows: int, width: int, calibration: Calibration | None
) -> None:
    model = replace(make_model(width), calibration=calibration, threshold=0.4)
    batch = scored(model, rows, 30)
    encoder = PredictionEncoder(model.schema.features, model.intercept, "run", 4)
    together = encoder.encode_alike(batch)
    assert together is not None
    one_by_one = [EntryResult(entry_id, 1, [(1, fields)]) for entry_id, fields in encoder.encode(batch)]
    written = []
    forms: list[list[EntryResult] | AlikeResults] = [*together, one_by_one]
    for number, results in enumerate(forms):
        partition = keys.partition(number)
        _pending(server, partition.records, [result.id for result in one_by_one])
        call = CommitCall(partition.records, "g", "w", (partition.predictions,), results)
        with server.channel(partition.records) as channel:
            call.submit(channel, with_text=True)
            assert call.collect(channel).committed == 30
        written.append([e.fields[:-2] for e in entries_of(server.call("XRANGE", partition.predictions, "-", "+"))])
    assert written[0] == written[1]


def test_ids_that_are_no_text_are_sent_one_by_one() -> None:
    model = make_model(2)
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    fields = plain(1, model.schema.features, ["1", "2"]).fields
    entries = [Entry(b"%d-1" % n, [*fields, b"_id", b"\xff%d" % n]) for n in range(3)]
    decoder.decode(entries[:1])
    batch = score_batch(model, decoder.decode(entries))
    assert isinstance(batch.batch.entries, AlikeRows)
    encoder = PredictionEncoder(model.schema.features, model.intercept, "run", 0)
    assert encoder.encode_alike(batch) is None
    assert [fields[3] for _, fields in encoder.encode(batch)] == [b"\xff0", b"\xff1", b"\xff2"]


def _pending(server: Connection, stream: str, ids: list[bytes]) -> None:
    server.call("XGROUP", "CREATE", stream, "g", "0", "MKSTREAM")
    for entry_id in ids:
        server.call("XADD", stream, entry_id, "n", "1")
    server.call("XREADGROUP", "GROUP", "g", "w", "STREAMS", stream, ">")


def test_a_batch_with_a_rejection_is_not_sent_together() -> None:
    model = make_model(2)
    decoder = RecordDecoder(model.schema, MAX_BYTES)
    entries = [plain(n, model.schema.features, ["1", text]) for n, text in enumerate(["1", "x"])]
    encoder = PredictionEncoder(model.schema.features, model.intercept, "run", 0)
    assert encoder.encode_alike(score_batch(model, decoder.decode(entries))) is None
