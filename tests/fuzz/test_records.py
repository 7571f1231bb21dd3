"""Whatever is in a records stream: each row has one answer, and the good ones are scored."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.chaos import garbage
from bench.chaos.workload import SCHEMA, first_model
from core.entry import Entry, field_map
from core.prediction import PredictionBlock, decode_prediction
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block, encode_plain
from core.rejection import REASONS, decode_rejection
from core.scoring import score_batch
from tests.fuzz.profile import fuzz

MODEL = first_model(0).model
MAX_ENTRY_BYTES = 128 * 1024
GOOD_ROWS = 3

Rows = Counter[tuple[bytes, int]]


def _good(entry_id: bytes, block: bool) -> Entry:
    x = np.tile(MODEL.center, (GOOD_ROWS, 1))
    if block:
        return Entry(entry_id, encode_block(x, SCHEMA))
    return Entry(entry_id, encode_plain(dict(zip(SCHEMA.features, x[0].tolist(), strict=True))))


def _answers(entries: list[Entry]) -> tuple[Rows, Rows]:
    """Rows that were predicted and rows that were rejected, as a reader sees them; -1: whole."""
    scored = score_batch(MODEL, RecordDecoder(SCHEMA, MAX_ENTRY_BYTES).decode(entries))
    predicted, rejected = Rows(), Rows()
    for entry_id, fields in PredictionEncoder(SCHEMA.features, MODEL.intercept, "run", 0).encode(scored):
        result = decode_prediction(Entry(b"1-1", [*fields, b"ts", b"1"]))
        rows = list(result.predictions()) if isinstance(result, PredictionBlock) else [result]
        assert {row.record for row in rows} == {entry_id}
        assert all(np.isfinite([row.logit, row.probability]).all() for row in rows)
        predicted.update((entry_id, row.row) for row in rows)
    for rejection in scored.batch.rejections:
        read = decode_rejection(Entry(b"1-1", [*rejection.encode(), b"ts", b"1"]))
        assert read.reason in REASONS
        assert read.detail
        numbers = [-1] if read.block_rows is None else read.block_rows.rows.tolist()
        rejected.update((rejection.record, number) for number in numbers)
    return predicted, rejected


@fuzz
@given(st.lists(garbage.records(SCHEMA), max_size=8), st.booleans())
def test_each_row_among_garbage_is_answered_once_and_the_good_ones_are_scored(
    found: list[list[bytes]], block: bool
) -> None:
    entries = [Entry(b"%d-0" % number, fields) for number, fields in enumerate(found, start=1)]
    good = _good(b"99-0", block)
    predicted, rejected = _answers([*entries, good])
    assert sum(predicted[good.id, row] for row in range(GOOD_ROWS)) == (GOOD_ROWS if block else 1)
    assert not any(entry_id == good.id for entry_id, _ in rejected)
    for entry in entries:
        answered = predicted + rejected
        rows = sorted(row for entry_id, row in answered if entry_id == entry.id)
        assert max(count for (entry_id, _), count in answered.items() if entry_id == entry.id) == 1
        if rows != [-1]:
            count = field_map(entry.fields).get(b"_n")
            assert rows == list(range(1 if count is None else int(count)))


@fuzz
@given(
    st.lists(st.sampled_from((np.nan, np.inf, -np.inf, 1e308, -1e308, 1.0)), min_size=8, max_size=8),
    st.lists(st.sampled_from((b"ok", b"", b"\x07", b"\xff", b"y" * 129)), min_size=2, max_size=2),
)
def test_a_bad_row_costs_no_good_row_of_its_block(values: list[float], ids: list[bytes]) -> None:
    x = np.array([values[:4], MODEL.center.tolist(), values[4:]])
    fields = encode_block(x, SCHEMA, [ids[0], b"good", ids[1]])
    predicted, rejected = _answers([Entry(b"1-0", fields)])
    assert predicted[b"1-0", 1] == 1
    assert sorted(row for _, row in predicted + rejected) == [0, 1, 2]


@fuzz
@given(garbage.records(SCHEMA))
def test_what_is_decoded_alone_and_in_company_is_the_same(fields: list[bytes]) -> None:
    entry = Entry(b"1-0", fields)
    alone = _answers([entry])
    company = _answers([_good(b"2-0", block=True), entry, _good(b"3-0", block=False)])
    for own, all_of_them in zip(alone, company, strict=True):
        assert own == Rows({place: count for place, count in all_of_them.items() if place[0] == b"1-0"})
