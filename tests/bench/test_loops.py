"""The loops beside which the scorer is measured answer every record, once, with what they should say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.bare_loop import ANSWER, GROUP
from bench.fill import Fill, make_entries
from bench.peers.model_json import write_model
from bench.raw_client import RawClient, raw_client
from bench.round_trip import RoundTrip
from bench.table import make_model, make_rows
from core.connection import Connection
from core.entry import Entry, entries_of, field_map

CHECKOUT = Path(__file__).resolve().parents[2]
#: More than two reads of the loops.
ENTRIES = 250
COUNT = "100"
SEED = 5
#: Arrays of a block's answer and what they hold.
BLOCK_FIELDS = {b"_pred": "u1", b"_p": "f8", b"_logit": "f8", b"_contrib": "f8"}


@contextmanager
def _running(*arguments: str) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-m", *arguments], cwd=CHECKOUT) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def client(server_url: str) -> Iterator[RawClient]:
    with raw_client(int(server_url.rpartition(":")[2].partition("/")[0])) as opened:
        yield opened


def _answers(connection: Connection, predictions: str, count: int) -> list[Entry]:
    """The first answers in a stream, waited for, and whatever else is there by then."""
    found: list[Entry] = []
    while len(found) < count:
        last = found[-1].id if found else "0"
        reply = connection.call("XREAD", "BLOCK", 10_000, "STREAMS", predictions, last)
        assert reply, f"{len(found)} of {count} records were answered"
        found += entries_of(reply[0][1])
    return found


def _pending(connection: Connection, stream: str, group: str) -> int:
    return int(connection.call("XPENDING", stream, group)[0])


@pytest.mark.parametrize("rows", [0, 4])
def test_the_bare_loop_answers_each_entry_once(
    connection: Connection, server_url: str, pipeline: str, rows: int
) -> None:
    records, predictions = f"{pipeline}:records", f"{pipeline}:predictions"
    Fill(connection, records, make_model(SEED), rows, SEED).add(ENTRIES)
    more = (b"_contrib", b"x" * rows * 7 * 8) if rows else ()
    connection.call("DEL", ANSWER)
    connection.call("RPUSH", ANSWER, b"record", b"", b"logit", b"0.5", *more)
    port = server_url.rpartition(":")[2].partition("/")[0]
    with _running("bench.bare_loop", port, records, predictions, COUNT):
        answers = _answers(connection, predictions, ENTRIES)
        while _pending(connection, records, GROUP):  # the last acknowledgement follows the last answer
            connection.call("XREAD", "BLOCK", 10, "STREAMS", predictions, "$")
    pushed = entries_of(connection.call("XRANGE", records, "-", "+"))
    assert [field_map(answer.fields)[b"record"] for answer in answers] == [entry.id for entry in pushed]
    assert all(field_map(answer.fields)[b"logit"] == b"0.5" for answer in answers)
    assert not rows or [field_map(answer.fields)[b"_contrib"] for answer in answers] == [
        field_map(entry.fields)[b"_x"] for entry in pushed
    ]


def test_the_bare_loop_given_a_model_answers_blocks_as_our_model_does(
    connection: Connection, server_url: str, pipeline: str, tmp_path: Path
) -> None:
    records, predictions = f"{pipeline}:records", f"{pipeline}:predictions"
    file = make_model(SEED)
    connection.pipeline([("XADD", records, "*", *fields) for fields in make_entries(file, 4, SEED, ENTRIES)])
    connection.call("DEL", ANSWER)
    connection.call("RPUSH", ANSWER, b"record", b"", *(name for pair in BLOCK_FIELDS for name in (pair, b"")))
    port = server_url.rpartition(":")[2].partition("/")[0]
    with _running("bench.bare_loop", port, records, predictions, COUNT, str(write_model(tmp_path, file))):
        answers = [field_map(answer.fields) for answer in _answers(connection, predictions, ENTRIES)]
    scores = file.model.score(make_rows(ENTRIES * 4, SEED))
    found = [
        np.frombuffer(b"".join(answer[name] for answer in answers), kind) for name, kind in BLOCK_FIELDS.items()
    ]
    expected: list[NDArray[Any]] = [
        scores.predicted,
        scores.probability,
        scores.logit,
        scores.contributions.ravel(),
    ]
    for values, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, wanted, rtol=1e-9, atol=1e-9)


def test_the_bare_loop_answers_what_comes_later(
    connection: Connection, client: RawClient, server_url: str, pipeline: str
) -> None:
    records, predictions = f"{pipeline}:records", f"{pipeline}:predictions"
    connection.call("DEL", ANSWER)
    connection.call("RPUSH", ANSWER, b"record", b"")
    port = server_url.rpartition(":")[2].partition("/")[0]
    with _running("bench.bare_loop", port, records, predictions, COUNT):
        for number in range(1, 4):
            entry_id = client.call("XADD", records, "*", "Area", number)
            assert field_map(_answers(connection, predictions, number)[-1].fields)[b"record"] == entry_id


def test_the_hand_written_loop_answers_each_record_once_as_our_model_does(
    connection: Connection, server_url: str, pipeline: str, tmp_path: Path
) -> None:
    records, predictions = f"{pipeline}:records", f"{pipeline}:predictions"
    file = make_model(SEED)
    entries = make_entries(file, 0, SEED, ENTRIES)
    ids = connection.pipeline([("XADD", records, "*", *fields) for fields in entries])
    model_path = str(write_model(tmp_path, file))
    with _running("bench.peers.hand_loop", server_url, records, predictions, COUNT, "whole", model_path):
        answers = [field_map(answer.fields) for answer in _answers(connection, predictions, ENTRIES)]
    scores = file.model.score(make_rows(ENTRIES, SEED))
    assert [answer[b"record"] for answer in answers] == ids
    assert [int(answer[b"pred"]) for answer in answers] == scores.predicted.tolist()
    np.testing.assert_allclose([float(answer[b"p_class1"]) for answer in answers], scores.probability, rtol=1e-9)
    np.testing.assert_allclose([float(answer[b"logit"]) for answer in answers], scores.logit, atol=1e-9)
    contributions = [list(json.loads(answer[b"contrib"]).values()) for answer in answers]
    np.testing.assert_allclose(contributions, scores.contributions, atol=1e-9)


def test_the_bare_worker_answers_one_record_at_a_time(
    connection: Connection, client: RawClient, server_url: str, pipeline: str
) -> None:
    records, predictions = f"{pipeline}:records", f"{pipeline}:predictions"
    connection.call("DEL", ANSWER)
    connection.call("RPUSH", ANSWER, b"record", b"none")
    connection.call("XGROUP", "CREATE", records, "probe", "$", "MKSTREAM")
    port = server_url.rpartition(":")[2].partition("/")[0]
    with _running("bench.bare_worker", port, records, predictions):
        while len(connection.call("XINFO", "GROUPS", records)) < 2:
            connection.call("XREAD", "BLOCK", 10, "STREAMS", predictions, "$")
        trip = RoundTrip(client, records, predictions, [b"Area", b"1"])
        assert all(trip.seconds() > 0 for _ in range(20))
    assert connection.call("XLEN", predictions) == 20
