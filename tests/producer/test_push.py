from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from core.connection import Connection
from core.entry import Entry, field_map
from core.errors import DataError, SettingsError
from core.keys import PipelineKeys
from core.record_decoder import RecordDecoder
from core.redis_registry import RedisRegistry
from core.schema import Schema
from core.settings import Settings
from producer import push
from producer.client import Producer
from producer.commands import produce, push_labels, summary
from producer.push import PushCounts, push_records
from producer.sources import open_source

Stream = Callable[[str], list[Entry]]


@pytest.fixture
def settings(server_url: str, pipeline: str) -> Settings:
    return Settings(redis_url=server_url, pipeline=pipeline)


@pytest.fixture
def console() -> Console:
    return Console(quiet=True)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_every_row_of_a_block_push_is_in_a_block_or_in_a_rejection(
    tmp_path: Path,
    settings: Settings,
    console: Console,
    production: RedisRegistry,
    schema: Schema,
    keys: PipelineKeys,
    stream: Stream,
) -> None:
    assert production.production() is not None
    good = [f"{row},x,{row / 7},r-{row},{'yes' if row % 2 else 'no'}" for row in range(100)]
    bad = ["1_0,x,1,bad-1,no", "1,x,1,bad-2,maybe", "1,x,,bad-3,no", "nan,x,1,bad-4,no", "7"]
    path = write(tmp_path / "rows.csv", "b,other,a,key,Class\n" + "\n".join(good[:50] + bad + good[50:]) + "\n")
    counts = produce(settings, path, console, block=16, label="Class", id_column="key")
    assert (counts.read, counts.sent, counts.unsent, counts.stopped) == (105, 105, 0, False)
    entries = stream(keys.partition(0).records)
    assert counts.entries == len(entries)
    batch = RecordDecoder(schema, 1 << 20).decode(entries)
    assert all(not rows.plain for rows in batch.entries)
    np.testing.assert_array_equal(batch.x, [[row / 7, row] for row in range(100)])
    labels = [label for rows in batch.entries if rows.labels is not None for label in rows.labels.tolist()]
    assert labels == [row % 2 for row in range(100)]
    assert sorted((rejection.id or b"", rejection.reason) for rejection in batch.rejections) == [
        (b"", "missing_feature"),
        (b"bad-1", "not_a_number"),
        (b"bad-2", "bad_field"),
        (b"bad-3", "not_a_number"),
        (b"bad-4", "not_finite"),
    ]


def test_a_plain_push_sends_json_lines_as_they_stand(
    tmp_path: Path, settings: Settings, console: Console, keys: PipelineKeys, stream: Stream
) -> None:
    path = write(tmp_path / "rows.jsonl", '{"a": 1.50, "Class": "yes"}\n{"a": null, "b": "x"}\n')
    counts = produce(settings, path, console, label="Class")
    assert counts.sent == 2
    first, second = [field_map(entry.fields) for entry in stream(keys.partition(0).records)]
    assert first == {b"a": b"1.50", b"_y": b"yes"}
    assert second == {b"a": b"null", b"b": b"x"}


def test_rows_before_a_broken_line_are_sent(
    tmp_path: Path, settings: Settings, console: Console, keys: PipelineKeys, stream: Stream
) -> None:
    path = write(tmp_path / "rows.csv", "a\n1\n2\n3,4\n5\n")
    with pytest.raises(DataError, match=r"line 4 has 2 values for 1 columns.*\(2 records before it were sent\)"):
        produce(settings, path, console)
    assert [entry.fields for entry in stream(keys.partition(0).records)] == [[b"a", b"1"], [b"a", b"2"]]


def test_the_pace_does_not_drift(tmp_path: Path, server_url: str, pipeline: str) -> None:
    path = write(tmp_path / "rows.csv", "a\n" + "1\n" * 201)
    reports: list[PushCounts] = []
    with open_source(path) as source, Producer(server_url, pipeline) as producer:
        began_s = time.monotonic()
        counts = push_records(source, producer, rate=1_000, report=reports.append)
        took_s = time.monotonic() - began_s
    assert counts.sent == 201
    assert took_s >= 0.199
    assert reports[-1].read == 200


def test_labels_of_a_file_reach_the_labels_stream(
    tmp_path: Path, settings: Settings, console: Console, keys: PipelineKeys, stream: Stream
) -> None:
    path = write(tmp_path / "labels.csv", "key,a,y\nr-1,5,1\nr-2,6,\nr-3,7,0\n")
    counts = push_labels(settings, path, console, id_column="key", label_column="y")
    assert (counts.read, counts.sent, counts.skipped) == (3, 2, 1)
    (entry,) = stream(keys.labels)
    assert field_map(entry.fields)[b"_ids"] == b"r-1\nr-3"
    assert "1 rows without a label skipped" in summary(counts, "labels")


def test_class_names_travel_as_labels_of_their_own(
    tmp_path: Path, settings: Settings, console: Console, keys: PipelineKeys, stream: Stream
) -> None:
    path = write(tmp_path / "labels.jsonl", '{"key": 7, "y": "Besni"}\n{"key": 8, "y": null}\n')
    assert push_labels(settings, path, console, id_column="key", label_column="y").sent == 1
    assert [entry.fields for entry in stream(keys.labels)] == [[b"id", b"7", b"y", b"Besni"]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "key,y\nr-1,1\n,0\n"),
        ("labels.csv", "y,key\n1,r-1\n0\n"),
        ("labels.jsonl", '{"key": 1, "y": 1}\n\n{"key": null, "y": 0}\n'),
    ],
)
def test_a_label_with_an_empty_id_names_its_cell_and_those_before_it_are_sent(
    tmp_path: Path, settings: Settings, console: Console, keys: PipelineKeys, stream: Stream, name: str, text: str
) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=r"line 3 is empty in column 'key'.*\(1 labels before it were sent\)"):
        push_labels(settings, path, console, id_column="key", label_column="y")
    assert len(stream(keys.labels)) == 1


def test_a_label_with_an_id_that_no_record_can_have_names_its_line(
    tmp_path: Path, settings: Settings, console: Console, keys: PipelineKeys, stream: Stream
) -> None:
    path = write(tmp_path / "labels.csv", f"key,y\nr-1,1\n{'x' * 200},0\n")
    with pytest.raises(DataError, match=r"line 3: the id of a label.*\(1 labels before it were sent\)"):
        push_labels(settings, path, console, id_column="key", label_column="y")
    assert len(stream(keys.labels)) == 1


def test_labels_of_a_source_without_any_id_column_are_asked_for_one(
    tmp_path: Path, server_url: str, pipeline: str
) -> None:
    path = write(tmp_path / "labels.csv", "a,_y\n5,1\n")
    with (
        open_source(path) as source,
        Producer(server_url, pipeline) as producer,
        pytest.raises(DataError, match=r"line 2 has no id; name the column that holds it \(--id\)"),
    ):
        push.push_labels(source, producer)


@pytest.mark.parametrize(("option", "value"), [("rate", 0.0), ("rate", float("nan")), ("block", 0)])
def test_options_out_of_range_are_sentences(
    tmp_path: Path, settings: Settings, console: Console, option: str, value: float
) -> None:
    path = write(tmp_path / "rows.csv", "a\n1\n")
    with pytest.raises(SettingsError, match=f"--{option}"):
        produce(settings, path, console, **{option: value})  # type: ignore[arg-type]  # one option or the other


def test_without_redis_url_the_sentence_says_what_to_do(tmp_path: Path, console: Console) -> None:
    path = write(tmp_path / "rows.csv", "a\n1\n")
    with pytest.raises(SettingsError, match="streamgauge up"):
        produce(Settings(), path, console)


def test_a_push_outside_the_main_thread_leaves_signals_alone(
    tmp_path: Path, settings: Settings, console: Console, connection: Connection, keys: PipelineKeys
) -> None:
    path = write(tmp_path / "rows.csv", "a\n1\n")
    thread = threading.Thread(target=produce, args=(settings, path, console))
    thread.start()
    thread.join(10)
    assert connection.call("XLEN", keys.partition(0).records) == 1


def test_the_summary_tells_what_was_left() -> None:
    counts = PushCounts(10, 7, 3, 0, 7, 2.0, 1.5, True)
    assert summary(counts) == (
        "7 records sent in 2.0 s, 4 a second; 1.5 s of it waiting for the server or its readers; "
        "3 read but not sent, push them again; stopped by a signal."
    )
    assert msgspec.json.decode(msgspec.json.encode(counts), type=PushCounts) == counts
