from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import streamgauge
from core.connection import Connection
from core.entry import Entry
from core.errors import ServerUnavailable, SettingsError
from core.keys import PipelineKeys
from core.model import Floats, LogisticModel
from core.prediction import Prediction, PredictionBlock
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block, encode_plain
from core.schema import Schema
from core.scoring import score_batch
from streamgauge.predictions import Predictions

SCHEMA = Schema(("a", "b"))
MODEL = LogisticModel(SCHEMA, np.array([0.5, -2.0]), 0.25, np.zeros(2), np.ones(2))

Publish = Callable[..., list[str]]


def results_of(entries: list[Entry], partition: int) -> list[list[bytes]]:
    """What a scorer would publish for these records."""
    batch = RecordDecoder(SCHEMA, 1 << 20).decode(entries)
    encoder = PredictionEncoder(SCHEMA.features, MODEL.intercept, "0123456789ab", partition)
    return [[*fields, b"ts", b"1"] for _, fields in encoder.encode(score_batch(MODEL, batch))]


@pytest.fixture
def publish(connection: Connection, keys: PipelineKeys) -> Publish:
    """Publish the predictions of rows, plain or as one block; returns the entry ids."""
    numbers = iter(range(1, 1_000_000))

    def write(
        x: Sequence[Sequence[float]], *, partition: int = 0, block: bool = False, ids: bool = False
    ) -> list[str]:
        rows: Floats = np.asarray(x, dtype=np.float64)
        names = [f"r-{row}" for row in range(len(rows))] if ids else None
        if block:
            fields = [encode_block(rows, SCHEMA, names)]
        else:
            fields = [
                encode_plain({"a": a, "b": b}, None if names is None else names[row])
                for row, (a, b) in enumerate(rows.tolist())
            ]
        entries = [Entry(b"5-%d" % next(numbers), one) for one in fields]
        stream = keys.partition(partition).predictions
        return [
            connection.call("XADD", stream, "*", *result).decode() for result in results_of(entries, partition)
        ]

    return write


def test_rows_of_both_forms_come_alike(any_server_url: str, pipeline: str, keys: PipelineKeys) -> None:
    x = np.array([[1.0, 0.1], [2.0, -0.3], [0.0, 0.7]])
    records = [Entry(b"5-%d" % row, encode_plain({"a": a, "b": b})) for row, (a, b) in enumerate(x.tolist())]
    records.append(Entry(b"6-0", encode_block(x, SCHEMA)))
    with Connection(any_server_url) as connection:
        for result in results_of(records, 0):
            connection.call("XADD", keys.partition(0).predictions, "*", *result)
    with Predictions(any_server_url, pipeline, start="start", timeout_s=0.05) as predictions:
        found = list(predictions)
    plain, rows = found[:3], found[3:]
    assert [row.id for row in plain] == [b"0-5-0-0", b"0-5-1-0", b"0-5-2-0"]
    assert [row.id for row in rows] == [b"0-6-0-0", b"0-6-0-1", b"0-6-0-2"]
    assert [row.logit for row in plain] == [row.logit for row in rows] == MODEL.score(x).logit.tolist()


def test_batches_keep_the_form_they_were_published_in(server_url: str, pipeline: str, publish: Publish) -> None:
    publish([[1, 2]])
    publish([[3, 4], [5, 6]], block=True)
    with Predictions(server_url, pipeline, start="start", timeout_s=0.05) as predictions:
        plain, block = predictions.batches()
    assert isinstance(plain, Prediction)
    assert isinstance(block, PredictionBlock)
    assert (len(block), block.ids) == (2, None)


def test_now_starts_when_the_object_is_made(server_url: str, pipeline: str, publish: Publish) -> None:
    publish([[1, 0]], ids=True)
    with Predictions(server_url, pipeline, timeout_s=0.05) as predictions:
        publish([[2, 0], [3, 0]], ids=True)
        assert [row.logit for row in predictions] == MODEL.score(np.array([[2.0, 0], [3, 0]])).logit.tolist()


def test_an_entry_id_goes_on_after_that_entry(server_url: str, pipeline: str, publish: Publish) -> None:
    first, _ = publish([[1, 0], [2, 0]])
    with Predictions(server_url, pipeline, start=first, timeout_s=0.05) as predictions:
        assert [row.record for row in predictions] == [b"5-2"]


def test_a_later_loop_goes_on_where_the_last_one_stopped(server_url: str, pipeline: str, publish: Publish) -> None:
    publish([[1, 0], [2, 0], [3, 0]], block=True)
    with Predictions(server_url, pipeline, start="start", timeout_s=0.05) as predictions:
        for row in predictions:
            assert row.row == 0
            break
        assert [row.row for row in predictions] == [1, 2]
        assert list(predictions) == []
        publish([[4, 0]])
        assert [row.record for row in predictions] == [b"5-2"]


def test_waiting_ends_with_the_next_result(server_url: str, pipeline: str, publish: Publish) -> None:
    found: list[Prediction] = []
    with Predictions(server_url, pipeline) as predictions:
        reader = threading.Thread(target=lambda: found.append(next(predictions)))
        reader.start()
        publish([[1, 0]])
        reader.join(10)
    assert len(found) == 1


def test_all_partitions_are_read_also_those_agreed_on_later(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, publish: Publish
) -> None:
    with Predictions(server_url, pipeline, timeout_s=0.05) as predictions:
        assert list(predictions) == []
        connection.call("HSET", keys.config, "partitions", 3)
        publish([[1, 0]], partition=2)
        publish([[1, 0]], partition=0)
        found = [row.id for row in predictions] + [row.id for row in predictions]
    assert sorted(found, key=str) == [b"0-5-2-0", b"2-5-1-0"]
    with pytest.raises(SettingsError, match="partitions is 2 here and 3"):
        Predictions(server_url, pipeline, partitions=2)


def test_foreign_entries_are_counted_and_passed_over(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, publish: Publish
) -> None:
    connection.call("XADD", keys.partition(0).predictions, "*", "what", "ever")
    publish([[1, 0]])
    with Predictions(server_url, pipeline, start="start", timeout_s=0.05) as predictions:
        assert len(list(predictions)) == 1
        assert predictions.unreadable_entries == 1


def test_a_group_hands_out_again_what_was_not_acknowledged(
    any_server_url: str, pipeline: str, keys: PipelineKeys
) -> None:
    records = [Entry(b"5-%d" % row, encode_plain({"a": row, "b": 0})) for row in range(5)]
    stream = keys.partition(0).predictions
    with Connection(any_server_url) as connection:
        for result in results_of(records, 0):
            connection.call("XADD", stream, "*", *result)
        with Predictions(any_server_url, pipeline, start="start", group="g", consumer="one") as predictions:
            assert [next(predictions).record for _ in range(3)] == [b"5-0", b"5-1", b"5-2"]
        # the third was handed out, and nobody asked for the one after it
        pending = connection.call("XPENDING", stream, "g", "-", "+", 10)
        third = connection.call("XRANGE", stream, "-", "+")[2][0]
        assert pending[0][0] == third
        with Predictions(any_server_url, pipeline, group="g", consumer="one", timeout_s=0.05) as again:
            assert [row.record for row in again] == [b"5-2", b"5-3", b"5-4"]
        assert connection.call("XPENDING", stream, "g")[0] == 0
        assert connection.call("XINFO", "CONSUMERS", stream, "g") == []


def test_a_block_is_acknowledged_only_after_its_last_row(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, publish: Publish
) -> None:
    publish([[1, 0], [2, 0]], block=True)
    stream = keys.partition(0).predictions
    with Predictions(server_url, pipeline, start="start", group="g", consumer="one") as predictions:
        next(predictions)
        next(predictions)
    assert connection.call("XPENDING", stream, "g")[0] == 1
    with Predictions(server_url, pipeline, group="g", consumer="one", timeout_s=0.05) as again:
        assert [row.row for row in again] == [0, 1]
    assert connection.call("XPENDING", stream, "g")[0] == 0


def test_entries_of_a_dead_consumer_are_taken_over(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, publish: Publish
) -> None:
    publish([[1, 0], [2, 0]])
    stream = keys.partition(0).predictions
    connection.call("XGROUP", "CREATE", stream, "g", "0")
    connection.call("XREADGROUP", "GROUP", "g", "dead", "STREAMS", stream, ">")
    with Predictions(server_url, pipeline, group="g", timeout_s=2, takeover_idle_s=0.02) as predictions:
        assert [next(predictions).record for _ in range(2)] == [b"5-1", b"5-2"]


def test_two_consumers_share_the_results(server_url: str, pipeline: str, publish: Publish) -> None:
    with (
        Predictions(server_url, pipeline, group="g", timeout_s=0.05) as one,
        Predictions(server_url, pipeline, group="g", timeout_s=0.05) as two,
    ):
        publish([[1, 0]])
        first = [row.record for row in one]
        publish([[2, 0]])
        second = [row.record for row in two]
    assert (first, second) == ([b"5-1"], [b"5-2"])


def test_trimmed_entries_do_not_stay_pending(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, publish: Publish
) -> None:
    publish([[1, 0], [2, 0]])
    stream = keys.partition(0).predictions
    connection.call("XGROUP", "CREATE", stream, "g", "0")
    connection.call("XREADGROUP", "GROUP", "g", "one", "STREAMS", stream, ">")
    connection.call("XTRIM", stream, "MAXLEN", "1")
    with Predictions(server_url, pipeline, group="g", consumer="one", timeout_s=0.05) as predictions:
        assert [row.record for row in predictions] == [b"5-2"]
    assert connection.call("XPENDING", stream, "g")[0] == 0


def test_a_lost_group_is_made_again_from_the_start(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection, publish: Publish
) -> None:
    stream = keys.partition(0).predictions
    with Predictions(server_url, pipeline, group="g", timeout_s=1) as predictions:
        publish([[1, 0]])
        assert next(predictions).record == b"5-1"
        connection.call("DEL", stream)
        publish([[2, 0]])
        assert next(predictions).record == b"5-2"


@pytest.mark.parametrize("group", [None, "g"])
def test_a_killed_connection_is_made_again_and_nothing_is_missed(
    server_url: str, pipeline: str, connection: Connection, publish: Publish, group: str | None
) -> None:
    with Connection(server_url) as own, Predictions(own, pipeline, group=group, timeout_s=2) as predictions:
        publish([[1, 0], [2, 0]])
        assert next(predictions).record == b"5-1"
        assert next(predictions).record == b"5-2"
        connection.call("CLIENT", "KILL", "ID", own.call("CLIENT", "ID"))
        publish([[3, 0]])
        assert next(predictions).record == b"5-3"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "yesterday"}, "give now, start, or an entry id"),
        ({"start": "1-x"}, "give now, start, or an entry id"),
        ({"consumer": "one"}, "without a group"),
    ],
)
def test_options_that_do_not_fit_are_sentences(
    server_url: str, pipeline: str, options: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        Predictions(server_url, pipeline, **options)  # type: ignore[arg-type]  # text options only


def test_no_server_is_one_sentence() -> None:
    with pytest.raises(ServerUnavailable, match="no Redis answers"):
        Predictions("redis://127.0.0.1:1")


def test_importing_streamgauge_loads_neither_numpy_nor_redis() -> None:
    code = "import sys, streamgauge; print([n for n in ('numpy', 'redis', 'msgspec', 'rich') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n"


def test_the_public_names_are_there() -> None:
    assert streamgauge.Predictions is Predictions
    assert streamgauge.Producer.__name__ == "Producer"
    assert streamgauge.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="nothing"):
        streamgauge.nothing  # noqa: B018  (the look-up is the test)


def test_a_damaged_config_is_a_sentence(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection
) -> None:
    connection.call("HSET", keys.config, "partitions", "abc")
    with pytest.raises(SettingsError, match="partitions is 'abc' in pipeline"):
        Predictions(server_url, pipeline)


def test_reading_does_not_make_a_pipeline(
    server_url: str, pipeline: str, keys: PipelineKeys, connection: Connection
) -> None:
    with Predictions(server_url, pipeline, timeout_s=0.01) as predictions:
        assert list(predictions) == []
    assert connection.call("KEYS", f"sg:{{{pipeline}*") == []
    assert not connection.call("EXISTS", keys.config)
