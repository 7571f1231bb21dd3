"""What comes back for a record, in either form, and for what is none."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import redis

from core.entry import entries_of
from core.log import logger
from core.model_file import ModelFile
from core.prediction import PredictionBlock
from core.record_encoder import encode_block
from core.scripts.commit import EntryResult, commit
from core.settings import Settings
from core.telemetry import Telemetry
from scorer.model_watcher import ProductionModel
from scorer.worker import Worker
from tests.scorer.conftest import FEATURES, FIRST_RUN
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams

_BLOCK_N = 65


def _rows(model_file: ModelFile, count: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    model = model_file.model
    return np.random.default_rng(seed).normal(model.center, 3 * model.scale, (count, len(FEATURES)))


@pytest.mark.usefixtures("scorer")
def test_a_bare_client_gets_a_plain_prediction_whose_parts_sum_and_a_block_is_identical_to_the_bit(
    server_url: str, streams: Streams, model_file: ModelFile
) -> None:
    rows = _rows(model_file, _BLOCK_N)
    records, predictions = streams.partition.records, streams.partition.predictions
    with redis.Redis.from_url(server_url) as bare:
        ids = [bare.xadd(records, dict(zip(FEATURES, map(repr, row), strict=True))) for row in rows.tolist()]
        block = {"_n": len(rows), "_schema": model_file.model.schema.fingerprint, "_x": rows.tobytes()}
        block_id = bare.xadd(records, block)
        streams.await_results({*ids, block_id})
        answers = {fields[b"record"]: fields for _, fields in bare.xrange(predictions)}
    scores = model_file.model.score(rows)
    blocked = answers[block_id]
    contributions = np.frombuffer(blocked[b"_contrib"], "<f8").reshape(rows.shape)
    for row, entry_id in enumerate(ids):
        plain = answers[entry_id]
        bias, logit = float(plain[b"bias"]), float(plain[b"logit"])
        by_feature = json.loads(plain[b"contrib"])
        parts = [by_feature[name] for name in FEATURES]
        assert abs(bias + math.fsum(parts) - logit) <= 1e-12 * (abs(bias) + math.fsum(map(abs, parts)))
        assert plain.keys() == set(b"_v id record row pred p_class1 logit bias contrib model ts".split())
        assert (plain[b"id"], plain[b"row"], plain[b"_v"]) == (b"0-%b-0" % entry_id, b"0", b"1")
        assert plain[b"model"] == blocked[b"model"] == FIRST_RUN.encode()
        assert int(plain[b"pred"]) == blocked[b"_pred"][row] == (logit >= 0)
        assert parts == contributions[row].tolist()
        assert logit == np.frombuffer(blocked[b"_logit"], "<f8")[row] == scores.logit[row]
        assert float(plain[b"p_class1"]) == np.frombuffer(blocked[b"_p"], "<f8")[row] == scores.probability[row]
        assert plain[b"bias"] == blocked[b"bias"]
    assert blocked[b"_n"] == b"%d" % len(rows)
    assert abs(int(blocked[b"ts"]) - int(block_id.split(b"-")[0])) < 60_000


GARBAGE: dict[str, tuple[list[str | bytes | int | float], str]] = {
    "nothing of ours": (["hello", "world"], "missing_feature"),
    "empty name and value": (["", ""], "missing_feature"),
    "binary": ([bytes(range(256)), bytes(range(255, -1, -1))], "missing_feature"),
    "one missing": (["Area", 1, "MajorAxisLength", 2], "missing_feature"),
    "text": (["Area", "abc", "MajorAxisLength", 2, "Eccentricity", 3], "not_a_number"),
    "empty number": (["Area", "", "MajorAxisLength", 2, "Eccentricity", 3], "not_a_number"),
    "spaces": (["Area", " 1", "MajorAxisLength", 2, "Eccentricity", 3], "not_a_number"),
    "a newline": (["Area", "1\n2", "MajorAxisLength", 2, "Eccentricity", 3], "not_a_number"),
    "not UTF-8": (["Area", b"\xff\xfe", "MajorAxisLength", 2, "Eccentricity", 3], "not_a_number"),
    "nan": (["Area", "nan", "MajorAxisLength", 2, "Eccentricity", 3], "not_finite"),
    "1e999": (["Area", "1e999", "MajorAxisLength", 2, "Eccentricity", 3], "not_finite"),
    "overflow": (["Area", "1e308", "MajorAxisLength", "-1e308", "Eccentricity", "1e308"], "overflow"),
    "twice": (["Area", 1, "Area", 1, "MajorAxisLength", 2, "Eccentricity", 3], "duplicate_field"),
    "version": (["_v", 2, "Area", 1, "MajorAxisLength", 2, "Eccentricity", 3], "unknown_version"),
    "id with newline": (["_id", "a\nb", "Area", 1, "MajorAxisLength", 2, "Eccentricity", 3], "bad_field"),
    "time": (["_ts", "-1", "Area", 1, "MajorAxisLength", 2, "Eccentricity", 3], "bad_field"),
    "label": (["_y", "Sultana", "Area", 1, "MajorAxisLength", 2, "Eccentricity", 3], "bad_field"),
    "block without rows": (["_n", 3], "bad_block"),
    "block of 0": (["_n", 0, "_x", "", "_schema", "x"], "bad_block"),
    "block count": (["_n", "99999999999999999999", "_x", b"\0" * 24], "bad_block"),
    "block cut short": (["_n", 2, "_x", b"\0" * 47, "_schema", "x"], "bad_block"),
    "block of another schema": (["_n", 1, "_x", b"\0" * 24, "_schema", "feedfacefeedface"], "unknown_schema"),
    "too large": (["Area", b"1" * (2**20 + 1)], "too_large"),
}


def test_garbage_of_every_sort_is_rejected_whole_with_its_reason_and_never_stops_the_loop(
    scorer: Scorer, streams: Streams, model_file: ModelFile
) -> None:
    sent = {streams.add(*fields): (fields, reason) for fields, reason in GARBAGE.values()}
    rows = _rows(model_file, 4)
    rows[1, 0], rows[2] = np.nan, [1e308, -1e308, 1e308]
    half = streams.add(*encode_block(rows, model_file.model.schema, ids=["a", "b", "c", "d"]))
    good = streams.add("Area", "1", "MajorAxisLength", "2", "Eccentricity", "3", "_id", "good", "more", "x")
    streams.await_results({*sent, half, good})
    rejections = streams.rejections()
    whole = {rejection.record: rejection for rejection in rejections if rejection.entry is not None}
    assert whole.keys() == sent.keys()
    for entry_id, (fields, reason) in sent.items():
        assert (whole[entry_id].reason, whole[entry_id].entry) == (reason, [_as_bytes(field) for field in fields])
        assert whole[entry_id].detail
    by_row = {rejection.reason: rejection.block_rows for rejection in rejections if rejection.record == half}
    assert {reason: rows and (rows.rows.tolist(), rows.ids) for reason, rows in by_row.items()} == {
        "not_finite": ([1], (b"b",)),
        "overflow": ([2], (b"c",)),
    }
    block, plain = streams.predictions()
    if not isinstance(block, PredictionBlock):
        block, plain = plain, block
    assert isinstance(block, PredictionBlock)
    assert (block.rows.tolist(), block.ids) == ([0, 3], (b"a", b"d"))
    assert plain.record == good
    assert (streams.pending(), scorer.process.poll()) == (0, None)


def _as_bytes(value: str | bytes | float) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def test_metrics_count_what_was_answered_and_every_log_line_is_json(
    scorer: Scorer, streams: Streams, model_file: ModelFile, pipeline: str
) -> None:
    block = streams.add(*encode_block(_rows(model_file, 10), model_file.model.schema))
    bad = {streams.add("x", "y") for _ in range(3)}
    streams.await_results({block, *bad})
    assert scorer.end() == 0
    for line in scorer.log:
        assert json.loads(line).keys() >= {"event", "level", "timestamp"}
    rejected = [json.loads(line) for line in scorer.log if '"rejected"' in line]
    assert sum(line["records"] for line in rejected) == 3
    assert pipeline in scorer.log[0]


def test_the_metrics_are_those_of_the_design_and_begin_at_zero(
    scorer: Scorer, streams: Streams, model_file: ModelFile
) -> None:
    first = scorer.metrics()
    assert first["streamgauge_records_rejected_total:poison"] == first["streamgauge_entries_claimed_total"] == 0
    block = streams.add(*encode_block(_rows(model_file, 10), model_file.model.schema))
    streams.await_results({block})
    second = streams.add("x", "y")
    streams.await_results({second})  # the counts of the first are told before the second is read
    scored = scorer.metrics()
    assert scored[f"streamgauge_records_scored_total:{FIRST_RUN}"] == 10
    assert scored[f"streamgauge_production_info:{FIRST_RUN}"] == 1
    assert scored["streamgauge_production_updated_timestamp_seconds"] > 1.6e9
    assert scored["streamgauge_score_batch_seconds_count"] >= 1
    assert scored["streamgauge_end_to_end_seconds_count"] >= 1
    assert scored["streamgauge_prediction_probability_count"] == 10
    names = {name.partition(":")[0] for name in scored}
    assert not any("lag" in name or "pending" in name for name in names)  # the monitor's


def test_what_another_worker_answered_is_counted_by_neither_twice(
    streams: Streams, pipeline: str, model_file: ModelFile
) -> None:
    settings, telemetry = Settings(pipeline=pipeline), Telemetry(pipeline)
    worker = Worker(streams.connection, (streams.partition,), "w", settings, telemetry, logger("scorer", pipeline))
    worker.join()
    model = ProductionModel(FIRST_RUN, 1, 0, model_file)
    first, second = (streams.add(*encode_block(_rows(model_file, 5), model_file.model.schema)) for _ in "ab")
    records, outputs = streams.partition.records, (streams.partition.predictions, streams.partition.rejected)

    def current() -> ProductionModel:
        """Called between read and commit: another worker answers the first entry meanwhile."""
        entry = entries_of(streams.connection.call("XRANGE", records, first, first))[0]
        commit(streams.connection, records, "scorers", "other", outputs, [_result(entry.id)])
        return model

    worker.work(current, 100)
    worker.leave()  # the commit may be under way until then
    labels = {"pipeline": pipeline, "model": FIRST_RUN}
    assert telemetry.registry.get_sample_value("streamgauge_records_scored_total", labels) == 5
    name = "streamgauge_prediction_probability_count"
    assert telemetry.registry.get_sample_value(name, {"pipeline": pipeline}) == 5
    assert [fields.fields[fields.fields.index(b"record") + 1] for fields in streams.entries(outputs[0])] == [
        first,
        second,
    ]


def _result(entry_id: bytes) -> EntryResult:
    return EntryResult(entry_id, 1, [(1, [b"record", entry_id])])
