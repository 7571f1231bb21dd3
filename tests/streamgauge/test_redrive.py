"""Rejected records are sent again once, corrected, under their ids; nothing else is touched."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from core.connection import Connection
from core.errors import DataError, SettingsError
from core.keys import SCORERS, PipelineKeys
from core.prediction import Prediction, decode_prediction
from core.record_encoder import encode_block
from core.rejection import Rejection
from core.schema import Schema
from streamgauge.redrive.sender import send_again
from tests.scorer.scorer_process import Scorer
from tests.servers import wait_until
from tests.streamgauge.repair_stage import FEATURES, Stage

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]"


@pytest.fixture
def stage(any_server_url: str, keys: PipelineKeys) -> Stage:
    stage = Stage(Connection(any_server_url), keys)
    stage.promote()
    return stage


def test_a_plain_record_is_sent_again_corrected_with_its_id_and_event_time(stage: Stage) -> None:
    stage.rejected("area", "4", "Extent", "5", "_id", "order-7", "_ts", "1700000000000")
    said = stage.run("redrive", "--rename", "area=Area")
    assert (said.status, said.error) == (0, None)
    assert stage.newest() == {b"Area": b"4", b"Extent": b"5", b"_id": b"order-7", b"_ts": b"1700000000000"}
    assert stage.rejections() == []


def test_a_record_without_an_id_keeps_the_default_of_its_first_time(stage: Stage) -> None:
    record = stage.rejected("Area", "four", "Extent", "5")
    assert stage.run("redrive", "--set", "Area=4").status == 0
    assert stage.newest()[b"_id"] == b"0-" + record + b"-0"


def test_a_second_run_sends_nothing_twice(stage: Stage) -> None:
    stage.rejected("Area", "four", "Extent", "5")
    first, second = (stage.run("redrive", "--set", "Area=4", "--json").json for _ in range(2))
    assert (first["sent_records"], second["sent_records"]) == (1, 0)
    assert len(stage.records()) == 2


def test_two_runs_at_once_send_one_between_them(stage: Stage) -> None:
    """Both have read the rejection; whoever comes second finds it gone and writes nothing."""
    stage.rejected("Area", "four", "Extent", "5")
    partition = stage.partitions[0]
    (rejection,) = stage.entries(partition.rejected)
    keys, arguments = (partition.rejected, partition.records), (rejection.id, "Area", "4")
    answers = [send_again.run(stage.connection, keys, arguments) for _ in range(2)]
    assert answers[0] == stage.records()[-1].id
    assert answers[1] is None
    assert len(stage.records()) == 2


def test_a_write_that_fails_leaves_the_rejection(stage: Stage) -> None:
    stage.rejected("Area", "four", "Extent", "5")
    records = stage.partitions[0].records
    stage.connection.call("XADD", records, f"{2**64 - 1}-{2**64 - 1}", "a", "1")
    said = stage.run("redrive", "--set", "Area=4")
    assert isinstance(said.error, ResponseError)
    assert len(stage.rejections()) == 1


def test_a_full_server_refuses_it_and_the_rejection_stays(stage: Stage) -> None:
    stage.rejected("Area", "four", "Extent", "5")
    stage.connection.call("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
    try:
        said = stage.run("redrive", "--set", "Area=4")
    finally:
        stage.connection.call("CONFIG", "SET", "maxmemory", "0")
    assert isinstance(said.error, OutOfMemoryError)
    assert (len(stage.rejections()), len(stage.records())) == (1, 1)
    assert stage.run("redrive", "--set", "Area=4").status == 0


def test_what_would_be_rejected_again_is_left_and_said(stage: Stage) -> None:
    stage.rejected("Area", "four", "Extent", "5")
    said = stage.run("redrive", "--set", "Area=1e308")
    assert said.status == 1
    assert "overflow" in said.out
    assert len(stage.rejections()) == len(stage.records()) == 1
    assert stage.run("redrive", "--set", "Area=1e308", "--force").status == 0
    assert (len(stage.rejections()), len(stage.records())) == (0, 2)


def test_a_dry_run_changes_nothing(stage: Stage) -> None:
    stage.rejected("Area", "four", "Extent", "5")
    report = stage.run("redrive", "--set", "Area=4", "--dry-run", "--json").json
    assert (report["dry_run"], report["sent_records"]) == (True, 1)
    assert len(stage.rejections()) == len(stage.records()) == 1


def test_without_a_model_nothing_is_sent_unless_forced(server_url: str, keys: PipelineKeys) -> None:
    stage = Stage(Connection(server_url), keys)
    stage.reject(Rejection(b"5-0", "missing_feature", "d", entry=[b"Area", b"1"]))
    said = stage.run("redrive")
    assert (said.status, len(stage.rejections())) == (1, 1)
    assert "no model in production" in said.out
    assert stage.run("redrive", "--force").status == 0
    assert stage.newest() == {b"Area": b"1", b"_id": b"0-5-0-0"}


def test_poison_is_sent_by_force_alone(stage: Stage) -> None:
    stage.reject(Rejection(b"5-0", "poison", "d", entry=[b"Area", b"1", b"Extent", b"2"]))
    assert stage.run("redrive").status == 1
    assert stage.records() == []
    assert stage.run("redrive", "--force").status == 0
    assert len(stage.records()) == 1


def test_rows_of_a_block_are_sent_as_a_block_with_their_ids_labels_and_time(stage: Stage) -> None:
    x = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, np.inf]])
    block = encode_block(x, Schema(FEATURES), ["a", "b", "c"], 1_700_000_000_000, np.array([0.0, 1.0, 0.0]))
    stage.rejected(*block)
    assert stage.run("redrive", "--set", "Area=7", "--set", "Extent=8").status == 0
    sent = stage.newest()
    assert (sent[b"_n"], sent[b"_ids"], sent[b"_ts"]) == (b"2", b"b\nc", b"1700000000000")
    assert struct.unpack("<4d", sent[b"_x"]) == (7, 8, 7, 8)
    assert struct.unpack("<2d", sent[b"_y"]) == (1, 0)


@pytest.mark.parametrize("features", [FEATURES, ("Extent", "Length", "Area")])
def test_rows_of_a_block_and_whole_blocks_bring_their_trace(stage: Stage, features: tuple[str, ...]) -> None:
    block = encode_block(np.array([[1.0, 2.0], [np.nan, 4.0]]), Schema(FEATURES), ["a", "b"], traceparent=TRACE)
    if features != FEATURES:  # the whole block is rejected
        stage.promote(features, "aaaaaaaaaaaa")
    stage.rejected(*block)
    corrections = [text for name in features if name != "Extent" for text in ("--set", f"{name}=7")]
    assert stage.run("redrive", *corrections).status == 0
    assert stage.newest()[b"_traceparent"] == TRACE


def test_a_trace_can_be_dropped_from_rows(stage: Stage) -> None:
    block = encode_block(np.array([[1.0, 2.0], [np.nan, 4.0]]), Schema(FEATURES), traceparent=TRACE)
    stage.rejected(*block)
    assert stage.run("redrive", "--set", "Area=7", "--drop", "_traceparent").status == 0
    assert b"_traceparent" not in stage.newest()


def test_rows_without_ids_get_those_of_their_row_numbers(stage: Stage) -> None:
    record = stage.rejected(*encode_block(np.array([[1.0, 2.0], [np.nan, 4.0]]), Schema(FEATURES)))
    assert stage.run("redrive", "--set", "Area=7").status == 0
    assert stage.newest()[b"_ids"] == b"0-" + record + b"-1"


def test_a_block_of_an_older_schema_goes_in_the_order_of_production(stage: Stage) -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    old = encode_block(x, Schema(FEATURES), ["a", "b"])
    stage.promote(("Extent", "Length", "Area"), "aaaaaaaaaaaa")
    stage.rejected(*old)
    assert stage.run("redrive").status == 1  # Length is missing
    assert stage.run("redrive", "--set", "Length=9").status == 0
    assert struct.unpack("<6d", stage.newest()[b"_x"]) == (2, 9, 1, 4, 9, 3)
    assert stage.newest()[b"_ids"] == b"a\nb"
    assert stage.judge(stage.records()[-1].id) == []


def test_an_unknown_version_is_not_taken_for_version_one(stage: Stage) -> None:
    block = encode_block(np.array([[1.0, 2.0]]), Schema(FEATURES))
    block[1] = b"2"
    stage.rejected(*block)
    assert stage.run("redrive").status == 1
    assert stage.run("redrive", "--set", "_v=1").status == 0
    assert stage.newest()[b"_v"] == b"1"


def test_only_what_is_chosen_is_sent(server_url: str, keys: PipelineKeys) -> None:
    stage = Stage(Connection(server_url), keys, partitions=2)
    stage.promote()
    for partition in (0, 1):
        stage.rejected("Area", "x", "Extent", "1", "_id", f"x{partition}", partition=partition)
        stage.rejected("Area", "nan", "Extent", "1", "_id", f"n{partition}", partition=partition)
    fix = ("redrive", "--set", "Area=1", "--json")
    assert stage.run(*fix, "--until", "1h").json["rejections"] == 0
    assert stage.run(*fix, "--reason", "not_a_number", "--partition", "1").json["sent_records"] == 1
    assert stage.run(*fix, "--id", "n0").json["sent_records"] == 1
    assert stage.run(*fix, "--since", "1h", "--count", "1").json["sent_records"] == 1
    left = [rejection.id for partition in (0, 1) for rejection in stage.rejections(partition)]
    assert left == [b"n1"]


def test_an_export_is_corrected_by_any_tool_and_sent(stage: Stage, tmp_path: Path) -> None:
    stage.rejected("Area", "four", "Extent", "5", "_id", b"\xff\x00-7".replace(b"\x00", b""), "note", b"\xfe")
    x = np.array([[1.0, 2.0], [np.nan, 4.0]])
    stage.rejected(*encode_block(x, Schema(FEATURES), ["a", "b"]))
    path = tmp_path / "rejected.jsonl"
    assert stage.run("redrive", "--export", str(path)).status == 0
    assert len(stage.rejections()) == 2
    plain, rows = (json.loads(line) for line in path.read_text().splitlines())
    assert plain["reason"] == "not_a_number"
    assert rows["rows"] == [{"_row": 1, "_id": "b", "Area": None, "Extent": 4.0}]
    plain["fields"]["Area"] = 4
    rows["rows"][0]["Area"] = 0.1
    path.write_text(json.dumps(plain) + "\n" + json.dumps(rows) + "\n")
    assert stage.run("redrive", "--from", str(path)).status == 0
    assert stage.newest()[b"_x"] == struct.pack("<2d", 0.1, 4.0)
    sent = stage.records()[-2].fields
    assert sent == [b"Area", b"4", b"Extent", b"5", b"_id", b"\xff-7", b"note", b"\xfe"]
    again = stage.run("redrive", "--from", str(path), "--json").json
    assert (again["sent_records"], again["gone"]) == (0, 2)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"partition": 0, "rejection": "x", "fields": {}}',
        '{"partition": 7, "rejection": "1-0", "fields": {}}',
        '{"partition": 0, "rejection": "1-0"}',
        '{"partition": 0, "rejection": "1-0", "fields": {"a": null}}',
        '{"partition": 0, "rejection": "1-0", "fields": {"a": "b"}}\n' * 2,
    ],
)
def test_a_file_that_is_no_export_is_refused_whole(stage: Stage, line: str) -> None:
    said = stage.run("redrive", "--from", "-", stdin=line)
    assert isinstance(said.error, DataError)
    assert stage.records() == []


@pytest.mark.parametrize(
    "change",
    [{"rows": []}, {"rows": [{"_row": 0, "Area": 1, "Extent": 2}]}, {"rows": None, "fields": {"Area": "1"}}],
)
def test_a_line_that_does_not_fit_its_rejection_is_left(stage: Stage, change: dict[str, object]) -> None:
    stage.rejected(*encode_block(np.array([[1.0, 2.0], [np.nan, 4.0]]), Schema(FEATURES)))
    line = json.loads(stage.run("redrive", "--export", "-").out) | change
    said = stage.run("redrive", "--from", "-", stdin=json.dumps(line))
    assert (said.status, len(stage.rejections()), len(stage.records())) == (1, 1, 1)


def test_a_full_backlog_ends_it_and_says_who_holds_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        stage.rejected("Area", "four", "Extent", "5")
    for _ in range(3):
        stage.add("Area", "4", "Extent", "5")
    monkeypatch.setenv("STREAMGAUGE_MAX_BACKLOG_ENTRIES", "2")
    said = stage.run("redrive", "--set", "Area=4")
    assert said.status == 1
    assert "'scorers'" in said.out
    assert (len(stage.rejections()), len(stage.records())) == (3, 6)


def test_a_record_that_a_lost_group_would_read_again_is_left_until_the_scorers_are_past_it(stage: Stage) -> None:
    """Else the recovery, which goes by results, would answer the original a second time."""
    earlier = stage.add("Area", "1", "Extent", "2")
    stage.group()
    stage.read()
    stage.rejected("Area", "four", "Extent", "5")
    said = stage.run("redrive", "--set", "Area=4")
    assert said.status == 1
    assert "run this again when the scorers have caught up" in said.out
    assert (len(stage.rejections()), len(stage.records())) == (1, 2)
    stage.connection.call("XACK", stage.partitions[0].records, SCORERS, earlier)
    assert stage.run("redrive", "--set", "Area=4").status == 0
    assert (len(stage.rejections()), len(stage.records())) == (0, 3)


ROWS = ("record", "5-0", "reason", "not_finite", "detail", "d", "_schema", "s")
ROWS = ("record", "5-0", "reason", "not_finite", "detail", "d", "_schema", "s")
WHOLE = ("record", "5-0", "reason", "bad_field", "detail", "d")
GARBAGE: list[list[bytes | str]] = [
    ["note", "hello"],
    ["record", "5_0-1", *WHOLE[2:], "entry", b"\x90"],
    ["record", f"{2**64}-0", *WHOLE[2:], "entry", b"\x90"],
    [*WHOLE, "entry", b"\xc1"],
    [*WHOLE, "entry", b"\x91\xc4\x01a"],
    [*WHOLE],
    ["record", "5-0", "reason", b"\xff", "detail", b"\xff", "entry", b"\x90"],
    ["record", "5-0", "reason", HOSTILE, "detail", HOSTILE, "entry", b"\x90"],
    [*ROWS, "_rows", "", "_x", ""],
    [*ROWS, "_rows", b"\x00" * 4, "_x", b"\x00" * 8],
    [*ROWS, "_rows", b"\x00" * 3, "_x", b"\x00" * 8],
    [*ROWS, "_rows", b"\xff" * 4, "_x", b"\x00" * 16, "_ids", "a\nb"],
]


def test_garbage_in_rejected_is_said_and_left(stage: Stage) -> None:
    for fields in GARBAGE:
        stage.connection.call("XADD", stage.partitions[0].rejected, "*", *fields)
    stage.rejected("Area", "four", "Extent", "5", HOSTILE, HOSTILE, "_id", "fine")
    for options in (["--list"], ["--export", "-"], ["--dry-run", "--set", "Area=4"], ["--set", "Area=4"]):
        said = stage.run("redrive", *options)
        assert said.error is None, (options, said.error)
        assert "\x1b" not in said.out + said.err
        assert "\x07" not in said.out + said.err
    assert stage.newest()[b"_id"] == b"fine"
    assert len(stage.entries(stage.partitions[0].rejected)) == len(GARBAGE)


@pytest.mark.parametrize(
    "options",
    [
        ("--reason", "nonsense"),
        ("--partition", "1"),
        ("--since", "yesterday"),
        ("--count", "0"),
        ("--set", "Area"),
        ("--rename", "Area="),
        ("--list", "--export", "-"),
        ("--from", "-", "--count", "1"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(stage: Stage, options: tuple[str, ...]) -> None:
    said = stage.run("redrive", *options)
    assert isinstance(said.error, SettingsError)
    assert len(str(said.error).splitlines()) == 1


def test_the_list_tells_each_rejection(stage: Stage) -> None:
    record = stage.rejected("Area", "four", "Extent", "5", "_id", "order-7")
    (listed,) = stage.run("redrive", "--list", "--json").json
    assert (listed["record"], listed["ids"], listed["reason"]) == (record.decode(), ["order-7"], "not_a_number")
    assert "order-7" in stage.run("redrive", "--list").out


def test_a_scorer_answers_what_was_sent_again_under_its_first_id(server_url: str, keys: PipelineKeys) -> None:
    stage = Stage(Connection(server_url), keys)
    stage.promote()
    predictions, rejected = stage.partitions[0].predictions, stage.partitions[0].rejected
    scorer = Scorer("--redis-url", server_url, "--pipeline", keys.pipeline).ready()
    try:
        plain = stage.add("area", "4", "Extent", "5").decode()
        stage.add(*encode_block(np.array([[1.0, 2.0], [np.nan, 4.0]]), Schema(FEATURES), ["a", "b"]))
        wait_until(lambda: len(stage.entries(rejected)) == 2, "two rejections")
        wait_until(
            lambda: stage.run("redrive", "--rename", "area=Area", "--set", "Area=7").status == 0, "a redrive"
        )
        wait_until(lambda: len(stage.entries(predictions)) == 3, "predictions")
    finally:
        scorer.end()
    answers = [decode_prediction(entry) for entry in stage.entries(predictions)]
    ids = [one.id if isinstance(one, Prediction) else one.ids for one in answers]
    assert ids == [(b"a",), b"0-%b-0" % plain.encode(), (b"b",)]
    assert stage.rejections() == []
