"""Scoring whole batches: plain and block to the bit, overflow rejected alone, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.calibration import Calibration
from core.entry import Entry
from core.model import Floats, LogisticModel, sigmoid
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block, encode_plain
from core.schema import Schema
from core.scoring import ScoredBatch, score_batch


def random_model(d: int, seed: int = 0) -> LogisticModel:
    generator = np.random.default_rng(seed)
    schema = Schema(tuple(f"f{index}" for index in range(d)))
    weights, center = generator.normal(size=(2, d)) * 1e2
    return LogisticModel(schema, weights, float(generator.normal()), center, 10 ** generator.uniform(-2, 4, d))


def score(model: LogisticModel, *entries: list[bytes]) -> ScoredBatch:
    decoder = RecordDecoder(model.schema, 2**20)
    return score_batch(model, decoder.decode([Entry(b"1-%d" % n, fields) for n, fields in enumerate(entries)]))


def plain(model: LogisticModel, row: Floats) -> list[bytes]:
    return encode_plain(dict(zip(model.schema.features, row.tolist(), strict=True)))


def _bits(scored: ScoredBatch) -> tuple[bytes, ...]:
    scores = scored.scores
    return scores.logit.tobytes(), scores.probability.tobytes(), scores.contributions.tobytes()


@pytest.mark.parametrize("d", [*range(1, 61), 128, 129, 300])
def test_plain_and_block_agree_to_the_bit(d: int) -> None:
    model = random_model(d, d)
    x = np.random.default_rng(d).normal(size=(37, d)) * 1e3
    as_plain = score(model, *(plain(model, row) for row in x))
    assert _bits(score(model, encode_block(x, model.schema))) == _bits(as_plain)
    cuts = [0, 1, 2, 9, 10, 26, 37]
    pieces = [encode_block(x[a:b], model.schema) for a, b in pairwise(cuts)]
    assert _bits(score(model, *pieces)) == _bits(as_plain)


@given(arrays(np.float64, st.tuples(st.integers(1, 9), st.just(5)), elements=st.floats(-1e9, 1e9)), st.data())
def test_any_split_of_rows_gives_the_same_bits(x: Floats, data: st.DataObject) -> None:
    model = random_model(5)
    whole = _bits(score(model, encode_block(x, model.schema)))
    cuts = sorted({0, len(x), *data.draw(st.lists(st.integers(0, len(x))))})
    pieces = [encode_block(x[a:b], model.schema) for a, b in pairwise(cuts)]
    assert _bits(score(model, *pieces)) == whole


#: Large enough to overflow once divided by the scale.
_TINY_SCALE = LogisticModel(Schema(("a", "b")), np.array([1e5, 1.0]), 0.5, np.zeros(2), np.array([1e-300, 1.0]))


def test_rows_that_overflow_are_rejected_and_the_rest_answered() -> None:
    x = np.array([[0.0, 1.0], [1e10, 1.0], [0.0, 2.0], [-1e10, 0.0]])
    scored = score(
        _TINY_SCALE,
        [b"a", b"1e10", b"b", b"1", b"_id", b"lost"],
        [b"a", b"0", b"b", b"9"],
        encode_block(x, _TINY_SCALE.schema, ids=["p", "q", "r", "s"], labels=np.array([0.0, 1.0, 1.0, 0.0])),
        encode_block(x[1:2], _TINY_SCALE.schema),
    )
    assert scored.scores.logit.tolist() == [9.5, 1.5, 2.5]
    assert scored.batch.x.tolist() == [[0.0, 9.0], [0.0, 1.0], [0.0, 2.0]]
    first, second = scored.batch.entries
    assert (first.entry.id, first.start, first.stop) == (b"1-1", 0, 1)
    assert (second.entry.id, second.start, second.stop) == (b"1-2", 1, 3)
    assert (second.ids, second.row_numbers()) == ((b"p", b"r"), [0, 2])
    assert second.labels is not None
    assert second.labels.tolist() == [0.0, 1.0]
    assert [(r.record, r.reason, r.count) for r in scored.batch.rejections] == [
        (b"1-0", "overflow", 1),
        (b"1-2", "overflow", 2),
        (b"1-3", "overflow", 1),
    ]
    whole, rows, _ = scored.batch.rejections
    assert (whole.id, whole.entry) == (b"lost", [b"a", b"1e10", b"b", b"1", b"_id", b"lost"])
    assert rows.block_rows is not None
    assert rows.block_rows.ids == (b"q", b"s")
    assert rows.block_rows.rows.tolist() == [1, 3]
    assert rows.block_rows.x.tobytes() == x[[1, 3]].tobytes()
    assert "row 1" in rows.detail


def test_rows_beside_an_overflow_keep_their_calibrated_answer() -> None:
    calibration = Calibration("platt", np.array([0.1, 0.5]))
    model = replace(_TINY_SCALE, calibration=calibration, threshold=0.9)
    x = np.array([[0.0, 1.0], [1e10, 1.0], [0.0, 29.0]])
    scores = score(model, encode_block(x, model.schema)).scores
    np.testing.assert_array_equal(scores.probability, calibration.apply(np.array([1.5, 29.5])))
    np.testing.assert_array_equal(scores.uncalibrated, sigmoid(np.array([1.5, 29.5])))
    assert (scores.threshold, scores.predicted.tolist()) == (0.9, [0, 1])


def test_overflow_after_other_bad_rows_keeps_the_row_numbers_of_the_block() -> None:
    x = np.array([[np.nan, 1.0], [1e10, 1.0], [0.0, 2.0], [0.0, 3.0], [1e10, 1.0]])
    scored = score(_TINY_SCALE, encode_block(x, _TINY_SCALE.schema, ids=list("pqrst")))
    assert [(r.reason, r.block_rows.rows.tolist()) for r in scored.batch.rejections if r.block_rows] == [
        ("not_finite", [0]),
        ("overflow", [1, 4]),
    ]
    (rows,) = scored.batch.entries
    assert (rows.row_numbers(), rows.ids) == ([2, 3], (b"r", b"s"))


def test_infinities_that_cancel_are_an_overflow_too() -> None:
    model = LogisticModel(Schema(("a", "b")), np.ones(2), 0.0, np.zeros(2), np.full(2, 1e-300))
    scored = score(model, [b"a", b"1e10", b"b", b"-1e10"])
    assert [rejection.reason for rejection in scored.batch.rejections] == ["overflow"]
    assert len(scored.scores.logit) == 0


_ROW = st.lists(st.sampled_from([0.0, 1.0, 1e10, -1e10, np.nan, np.inf, 1e308]), min_size=2, max_size=2)


@given(
    st.lists(st.one_of(_ROW.map(lambda row: [row]), st.lists(_ROW, min_size=1, max_size=5)), max_size=5), st.data()
)
def test_each_row_has_a_score_or_a_rejection(blocks: list[list[list[float]]], data: st.DataObject) -> None:
    entries = []
    for rows in blocks:
        as_plain = len(rows) == 1 and data.draw(st.booleans())
        entries.append(
            plain(_TINY_SCALE, np.array(rows[0])) if as_plain else encode_block(np.array(rows), _TINY_SCALE.schema)
        )
    scored = score(_TINY_SCALE, *entries)
    found = {b"1-%d" % n: list[int]() for n in range(len(blocks))}
    for answered in scored.batch.entries:
        found[answered.entry.id] += answered.row_numbers()
        part = slice(answered.start, answered.stop)
        again = _TINY_SCALE.score(scored.batch.x[part])
        assert again.logit.tobytes() == scored.scores.logit[part].tobytes()
    for rejection in scored.batch.rejections:
        found[rejection.record] += [0] if rejection.block_rows is None else rejection.block_rows.rows.tolist()
    assert [sorted(rows) for rows in found.values()] == [list(range(len(rows))) for rows in blocks]
    assert np.isfinite(scored.scores.logit).all()


def test_nothing_to_score_is_no_error() -> None:
    scored = score(_TINY_SCALE)
    assert (len(scored.scores.logit), scored.batch.entries, scored.batch.rejections) == (0, [], [])
