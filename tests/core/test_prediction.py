"""Predictions in both forms: what is written reads back to the bit, and its parts sum."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calibration import Calibration
from core.entry import Entry
from core.model import Floats, LogisticModel
from core.prediction import Prediction, PredictionBlock, decode_prediction
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block, encode_plain
from core.schema import Schema
from core.scoring import score_batch

SCHEMA = Schema(("Area", "Größe", 'quo"te', "back\\slash"))
MODEL = LogisticModel(
    SCHEMA, np.array([0.1, -2.0, 3e-7, 1e9]), -0.3, np.array([1.0, 2, 3, 4]), np.array([3.0, 7, 9, 11])
)
X = np.random.default_rng(0).normal(size=(9, 4)) * [1, 1e3, 1e-5, 1e-9]


def answers(*entries: list[bytes], model: LogisticModel = MODEL, partition: int = 3) -> list[Entry]:
    decoded = RecordDecoder(model.schema, 2**20).decode([Entry(b"7-%d" % n, f) for n, f in enumerate(entries)])
    encoder = PredictionEncoder(model.schema.features, model.intercept, "run1", partition)
    return [
        Entry(entry_id, [*fields, b"ts", b"1700000000123"])
        for entry_id, fields in encoder.encode(score_batch(model, decoded))
    ]


def plain(row: Floats, **reserved: str) -> list[bytes]:
    return encode_plain({**dict(zip(SCHEMA.features, row.tolist(), strict=True)), **reserved})


def _plain_answers(x: Floats) -> list[Prediction]:
    decoded = [decode_prediction(entry) for entry in answers(*(plain(row) for row in x))]
    return [answer for answer in decoded if isinstance(answer, Prediction)]


def _block_answer(fields: list[bytes]) -> PredictionBlock:
    (entry,) = answers(fields)
    answer = decode_prediction(entry)
    assert isinstance(answer, PredictionBlock)
    return answer


def test_a_plain_prediction_has_the_fields_of_the_wire_format() -> None:
    (entry,) = answers(plain(X[0], _id="leaf"))
    assert entry.fields[::2] == [
        b"_v", b"id", b"record", b"row", b"pred", b"p_class1", b"logit", b"bias", b"contrib", b"model", b"ts",
    ]  # fmt: skip
    values = dict(zip(entry.fields[::2], entry.fields[1::2], strict=True))
    assert (values[b"_v"], values[b"id"], values[b"record"], values[b"row"]) == (b"1", b"leaf", b"7-0", b"0")
    assert (values[b"bias"], values[b"model"]) == (b"-0.3", b"run1")
    assert list(json.loads(values[b"contrib"])) == list(SCHEMA.features)


def test_a_record_without_an_id_gets_partition_entry_and_row() -> None:
    assert [answer.id for answer in _plain_answers(X[:2])] == [b"3-7-0-0", b"3-7-1-0"]


def test_block_and_plain_read_back_to_the_same_bits() -> None:
    block = _block_answer(encode_block(X, SCHEMA))
    for row, (one, many) in enumerate(zip(_plain_answers(X), block.predictions(), strict=True)):
        assert (one.predicted, one.bias, one.model, one.ts_ms) == (
            many.predicted,
            many.bias,
            many.model,
            many.ts_ms,
        )
        assert (one.probability.hex(), one.logit.hex()) == (many.probability.hex(), many.logit.hex())
        assert isinstance(one.contributions, dict)
        assert not isinstance(many.contributions, dict)
        assert [value.hex() for value in one.contributions.values()] == [
            v.hex() for v in many.contributions.tolist()
        ]
        assert (one.row, many.row, many.id) == (0, row, None)


def test_bias_and_contributions_sum_to_the_logit_after_the_text() -> None:
    for answer in _plain_answers(X):
        assert isinstance(answer.contributions, dict)
        parts = list(answer.contributions.values())
        size = abs(answer.bias) + sum(map(abs, parts))
        assert abs(answer.logit - (answer.bias + sum(parts))) <= 1e-12 * size


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_every_number_in_the_text_is_the_shortest_that_reads_back(row: list[float]) -> None:
    same = LogisticModel(SCHEMA, np.ones(4), 0.0, np.zeros(4), np.ones(4))
    expected = same.score(np.array([row]))
    if not np.isfinite(expected.logit[0]):
        return
    (entry,) = answers(plain(np.array(row)), model=same)
    values = dict(zip(entry.fields[::2], entry.fields[1::2], strict=True))
    assert values[b"logit"] == repr(float(expected.logit[0])).encode()
    assert values[b"p_class1"] == repr(float(expected.probability[0])).encode()
    texts: list[str] = []

    def keep(text: str) -> float:
        texts.append(text)
        return float(text)

    contributions = json.loads(values[b"contrib"], parse_float=keep, parse_int=keep)
    assert [value.hex() for value in contributions.values()] == [
        v.hex() for v in expected.contributions[0].tolist()
    ]
    for text in texts:
        digits = text.lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0")
        shortest = repr(float(text)).lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0")
        assert len(digits) == len(shortest)
    answer = decode_prediction(entry)
    assert isinstance(answer, Prediction)
    assert answer.contributions == contributions


def test_a_block_prediction_has_the_fields_of_the_wire_format() -> None:
    (entry,) = answers(encode_block(X, SCHEMA, ids=[b"%d\xff" % n for n in range(9)]))
    assert entry.fields[::2] == [
        b"_v", b"_n", b"record", b"_ids", b"_pred", b"_p", b"_logit", b"_contrib", b"bias", b"model", b"ts",
    ]  # fmt: skip
    answer = decode_prediction(entry)
    assert isinstance(answer, PredictionBlock)
    assert answer.ids == tuple(b"%d\xff" % n for n in range(9))
    assert answer.rows.tolist() == list(range(9))
    assert len(answer) == 9
    assert answer.contributions.shape == (9, 4)
    assert answer.predicted.tolist() == [int(p >= 0.5) for p in answer.probability.tolist()]


CALIBRATED = replace(MODEL, calibration=Calibration("platt", np.array([0.4, -0.2])), threshold=0.6)


def test_calibrated_answers_say_both_probabilities_in_either_form() -> None:
    entries = answers(*(plain(row) for row in X), model=CALIBRATED)
    assert entries[0].fields[::2] == [
        b"_v", b"id", b"record", b"row", b"pred", b"p_class1", b"p_raw", b"logit", b"bias", b"contrib", b"model",
        b"ts",
    ]  # fmt: skip
    (entry,) = answers(encode_block(X, SCHEMA), model=CALIBRATED)
    assert entry.fields[::2] == [
        b"_v", b"_n", b"record", b"_pred", b"_p", b"_p_raw", b"_logit", b"_contrib", b"bias", b"model", b"ts",
    ]  # fmt: skip
    block = decode_prediction(entry)
    assert isinstance(block, PredictionBlock)
    scores = CALIBRATED.score(X)
    assert block.raw_probability is not None
    assert block.raw_probability.tobytes() == scores.uncalibrated.tobytes()
    assert block.probability.tobytes() == scores.probability.tobytes()
    assert (
        block.predicted.tolist() == scores.predicted.tolist() == (scores.probability >= 0.6).astype(int).tolist()
    )
    for row, (own, many) in enumerate(zip(entries, block.predictions(), strict=True)):
        one = decode_prediction(own)
        assert isinstance(one, Prediction)
        assert one.raw_probability == many.raw_probability == scores.uncalibrated[row]
        assert (one.probability, one.predicted) == (many.probability, many.predicted)


def test_answers_without_calibration_say_one_probability() -> None:
    assert _plain_answers(X[:1])[0].raw_probability is None
    block = _block_answer(encode_block(X, SCHEMA))
    assert block.raw_probability is None
    assert next(block.predictions()).raw_probability is None


def test_a_block_with_too_few_raw_probabilities_is_no_prediction() -> None:
    (entry,) = answers(encode_block(X, SCHEMA), model=CALIBRATED)
    place = entry.fields.index(b"_p_raw") + 1
    entry.fields[place] = entry.fields[place][:-8]
    with pytest.raises(ValueError, match="different lengths"):
        decode_prediction(entry)


def test_row_numbers_stand_there_only_when_some_rows_were_rejected() -> None:
    x = X.copy()
    x[[0, 4]] = np.nan
    answer = _block_answer(encode_block(x, SCHEMA, ids=[b"%d" % n for n in range(9)]))
    assert answer.rows.tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert answer.ids == (b"1", b"2", b"3", b"5", b"6", b"7", b"8")
    assert [prediction.row for prediction in answer.predictions()] == [1, 2, 3, 5, 6, 7, 8]
    assert answer.logit.tobytes() == _block_answer(encode_block(X, SCHEMA)).logit[answer.rows].tobytes()


def test_plain_records_and_blocks_of_one_batch_keep_their_own_results() -> None:
    mixed = answers(encode_block(X[:3], SCHEMA), plain(X[3]), encode_block(X[4:], SCHEMA))
    assert sorted(entry.id for entry in mixed) == [b"7-0", b"7-1", b"7-2"]
    whole = _block_answer(encode_block(X, SCHEMA)).logit
    for entry, part in zip(sorted(mixed), (whole[:3], whole[3:4], whole[4:]), strict=True):
        answer = decode_prediction(entry)
        assert answer.record == entry.id
        found = (
            answer.logit.tobytes() if isinstance(answer, PredictionBlock) else np.float64(answer.logit).tobytes()
        )
        assert found == part.tobytes()


@pytest.mark.parametrize("logit", [-800.0, -0.0, 0.0, 800.0])
def test_certain_and_even_answers_are_written_plainly(logit: float) -> None:
    model = LogisticModel(Schema(("a",)), np.zeros(1), logit, np.zeros(1), np.ones(1))
    (entry,) = answers(encode_plain({"a": 1}), model=model)
    answer = decode_prediction(entry)
    assert isinstance(answer, Prediction)
    assert (answer.predicted, answer.probability) == (int(logit >= 0), {-800.0: 0.0, 0.0: 0.5, 800.0: 1.0}[logit])
