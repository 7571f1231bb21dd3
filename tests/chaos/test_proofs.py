"""The proofs themselves: what was lost, doubled or made up is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.chaos import garbage
from bench.chaos.books import Books
from bench.chaos.faults import FaultLog
from bench.chaos.fleet import Fleet
from bench.chaos.pusher import read_journal
from bench.chaos.schedule import KINDS, plan
from bench.chaos.server import RawClient
from bench.chaos.verdict import Verdict, show
from bench.chaos.windows import count_windows, differences
from bench.chaos.workload import SCHEMA, Workload, first_logits
from bench.report import Report
from core.keys import PipelineKeys

WORKLOAD = Workload(7, 1_000)
PLAIN = [b"_id", b"c7-1-0", b"height", b"1"]


@pytest.fixture
def books() -> Books:
    """One plain record, and one block of three rows."""
    found = Books(WORKLOAD)
    found.record(0, b"1-0", PLAIN)
    found.record(0, b"2-0", [b"_n", b"3", b"_ids", b"c7-0-0\nc7-0-1\nc7-0-2"])
    return found


def _answer_plain(books: Books, record: bytes = b"1-0") -> None:
    books.prediction(0, b"9-0", [b"id", b"c7-1-0", b"record", record, b"row", b"0"])


def _answer_block(books: Books, rows: list[int]) -> None:
    ids = b"\n".join(b"c7-0-%d" % row for row in rows)
    packed = np.array(rows, "<i4").tobytes()
    books.prediction(0, b"9-1", [b"_n", b"%d" % len(rows), b"record", b"2-0", b"_rows", packed, b"_ids", ids])


def test_what_is_answered_once_is_right(books: Books) -> None:
    _answer_plain(books)
    _answer_block(books, [0, 2])
    packed = np.array([1], "<i4").tobytes()
    books.rejection(0, b"9-2", [b"record", b"2-0", b"_rows", packed, b"_ids", b"c7-0-1"])
    books.settle()
    assert books.unanswered() == []
    assert books.wrong() == []
    assert books.stray_results == []
    assert books.answers_by_id.sum() == 4
    assert books.answers_by_id.max() == 1
    assert books.rejected_by_id[:4].tolist() == [0, 1, 0, 0]


def test_a_missing_row_a_double_one_and_a_made_up_entry_are_found(books: Books) -> None:
    _answer_block(books, [0, 2])
    _answer_plain(books)
    _answer_plain(books)
    _answer_plain(books, record=b"77-0")
    books.settle()
    assert books.unanswered() == [(0, b"2-0")]
    assert {place for place, _ in books.wrong()} == {(0, b"1-0"), (0, b"2-0"), (0, b"77-0")}
    assert books.answers_by_id[WORKLOAD.index_of(b"c7-1-0")] == 3


def test_garbage_without_ids_that_is_answered_is_nobodys_record(books: Books) -> None:
    books.record(0, b"3-0", [b"_n", b"2", b"_x", bytes(64)])
    rows = [b"_rows", np.array([1], "<i4").tobytes(), b"_logit", bytes(8)]
    books.prediction(0, b"9-3", [b"_n", b"1", b"record", b"3-0", b"model", b"0" * 12, *rows])
    books.settle()
    assert books.answers_by_id.sum() == 0
    assert (books.stray_results, books.wrong_logits, books.checked_logits) == ([], [], 0)


def test_the_ids_of_other_rows_are_found(books: Books) -> None:
    packed = np.array([0, 1, 2], "<i4").tobytes()
    swapped = [b"_ids", b"c7-0-1\nc7-0-0\nc7-0-2"]
    _answer_plain(books)
    books.prediction(0, b"9-1", [b"_n", b"3", b"record", b"2-0", b"_rows", packed, *swapped])
    books.settle()
    assert books.wrong() == []
    assert [stray.split(" has ")[0] for stray in books.stray_results] == ["prediction 9-1"]


@pytest.mark.parametrize("number", [8, 12])
def test_records_without_ids_are_known_by_their_values(number: int) -> None:
    workload = Workload(7, 4_000)
    books, batch, start = Books(workload), workload.batch(number), int(workload.starts[number])
    assert batch.bare
    rows = slice(3, 3 + (2 if batch.block else 1))
    if batch.block:
        pushed = [b"_n", b"2", b"_x", batch.x[rows].tobytes()]
        answer = [b"_n", b"2", b"record", b"5-0", b"model", b"0" * 12]
    else:
        texts = [repr(value).encode() for value in batch.x[3].tolist()]
        pushed = [part for pair in zip(SCHEMA.features_encoded, texts, strict=True) for part in pair]
        answer = [b"id", b"1-5-0-0", b"record", b"5-0", b"row", b"0", b"model", b"0" * 12]
    logits = first_logits(batch.x[rows])
    for change in (0.0, 1e-6):
        told = (logits + change).tobytes() if batch.block else repr(float(logits[0] + change)).encode()
        books.prediction(1, b"9-0", [*answer, b"_logit" if batch.block else b"logit", told])
    books.record(1, b"5-0", pushed)
    books.settle()
    assert np.flatnonzero(books.answers_by_id).tolist() == list(range(start + 3, start + rows.stop))
    assert books.answers_by_id.max() == 2
    assert books.stray_results == []
    assert len(books.wrong_logits) == 1


def test_a_block_rejected_as_a_whole_answers_each_of_its_ids(books: Books) -> None:
    books.rejection(0, b"9-0", [b"record", b"2-0", b"reason", b"poison", b"entry", b"..."])
    _answer_plain(books)
    books.settle()
    assert books.wrong() == []
    assert books.answers_by_id[:3].tolist() == [1, 1, 1]
    assert books.records_in_windows() == (2, 4)


def test_a_row_that_is_predicted_and_rejected_is_found(books: Books) -> None:
    _answer_plain(books)
    books.rejection(0, b"9-2", [b"record", b"1-0", b"id", b"c7-1-0"])
    assert books.wrong()[0][0] == (0, b"1-0")


def test_windows_that_differ_or_are_missing_are_found(server_url: str, pipeline: str) -> None:
    ours, calm = PipelineKeys(pipeline), PipelineKeys(f"{pipeline}-calm")
    client = RawClient(server_url)
    for number in (1, 2, 3):
        client.call("XADD", calm.drift, "*", "window", number, "n", 5, "skipped", 0)
        if number != 2:
            client.call("XADD", ours.drift, "*", "window", number, "n", 5, "skipped", 0)
            client.call("XADD", ours.drift, "*", *garbage.marked([b"window", b"9"]))
    assert count_windows(client, ours)[2] == [
        f"drift {client.call('XRANGE', ours.drift, '-', '+')[2][0].decode()} is window 3, expected 2"
    ]
    assert differences(client, ours, calm)[0] == "drift: 2 entries, undisturbed 3"
    assert differences(client, calm, calm) == []
    client.close()


def test_a_service_that_dies_by_itself_is_noticed(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, {"redis_url": "no url at all"}, lambda _: None)
    member = fleet.add("scorer")
    member.process.wait()
    fleet.watch()
    assert fleet.unasked == [f"{member.name} (start 1) ended by itself with status 2"]
    (tmp_path / "scorer-1.log").write_text("Traceback (most recent call last)\n  boom\n", encoding="utf-8")
    assert len(fleet.tracebacks()) == 1


def test_one_seed_gives_one_schedule_one_workload_and_one_garbage() -> None:
    assert plan(3, 60, 1.0) == plan(3, 60, 1.0) != plan(4, 60, 1.0)
    assert {fault.kind for fault in plan(3, len(KINDS), 1.0)} == set(KINDS)
    first, again = Workload(3, 5_000).batch(4), Workload(3, 5_000).batch(4)
    np.testing.assert_array_equal(first.x, again.x)
    assert garbage.drawn(garbage.records(SCHEMA), 3, 40) == garbage.drawn(garbage.records(SCHEMA), 3, 40)


def test_every_record_of_a_workload_has_a_number_and_an_id() -> None:
    ids = [record_id for number in range(WORKLOAD.batches) for record_id in WORKLOAD.batch(number).ids]
    assert [WORKLOAD.index_of(record_id) for record_id in ids] == list(range(WORKLOAD.records))
    assert [WORKLOAD.id_at(index) for index in (0, 600, 999)] == [ids[0], ids[600], ids[999]]
    assert WORKLOAD.index_of(b"c7-0-512") is None
    assert WORKLOAD.index_of(b"c8-0-0") is None


def test_a_torn_last_line_of_the_journal_is_no_line(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_bytes(b"A 0\nD 0\nA 1\nA 2\nD 1")
    assert read_journal(journal) == ([0, 1, 2], {0})


def test_a_violation_is_printed_and_written_with_seed_ids_and_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.report.OUT", tmp_path)
    log = FaultLog()
    log.say("#1 kill scorer: scorer-1")
    verdict = Verdict("attack", 7, log)
    verdict.none_of("answered more than once", ["record c7-1-0 was answered 2 times"], "records")
    verdict.none_of("acknowledged but not answered", [], "records")
    report = Report("chaos", "python -m bench.chaos", 7)
    with report.console.capture() as captured:
        show(report.console, report, [verdict], tmp_path)
    assert "VIOLATED attack: answered more than once (seed 7)" in captured.get()
    assert "record c7-1-0 was answered 2 times" in captured.get()
    evidence = (tmp_path / "violations-attack.txt").read_text(encoding="utf-8")
    assert "seed 7" in evidence
    assert "#1 kill scorer" in evidence
    results = json.loads((tmp_path / "chaos.json").read_bytes())["results"]
    assert [(result["value"], result["target"], result["met"]) for result in results] == [
        (1, 0, False),
        (0, 0, True),
    ]
