"""The proofs by id and by entry, from the witness's books and the producer's journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from redis.exceptions import ResponseError

from bench.chaos import windows
from bench.chaos.books import Books, Place
from bench.chaos.ground import Ground, Turn, service_options
from bench.chaos.pusher import read_journal
from bench.chaos.server import RawClient
from bench.chaos.verdict import Verdict
from bench.chaos.windows import entries_of
from bench.chaos.workload import Workload
from core.keys import SCORERS, PipelineKeys

#: How long the pipeline may take to answer everything once the faults are over.
SETTLE_S = 120.0
#: Share of the records whose acknowledgement the producer has to hear of: each time it is killed it misses some.
LEAST_ACKNOWLEDGED = 0.9
#: Pieces of evidence gathered for one promise.
GATHERED = 20


def judge_answers(verdict: Verdict, ground: Ground) -> None:
    """Acknowledged is a subset of answered, answered of attempted; each once; every entry of the streams."""
    books, workload = ground.collector.books, ground.workload
    books.settle()
    tried, done = read_journal(ground.journal)
    attempted, acknowledged = _marks(workload, tried), _marks(workload, sorted(done))
    answers = books.answers_by_id
    verdict.at_least("records pushed by id", int(attempted.sum()), "records", workload.records)
    least = LEAST_ACKNOWLEDGED * workload.records
    verdict.at_least("of them acknowledged to the producer", int(acknowledged.sum()), "records", least)
    verdict.figure("predicted", books.predicted_rows, "rows")
    verdict.figure("rejected", books.rejected_rows, "rows")

    def evidence(marks: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str]:
        return [
            f"record {workload.id_at(int(index)).decode()} was answered {answers[index]} times"
            for index in np.flatnonzero(marks)[:GATHERED]
        ]

    for name, marks in (
        ("acknowledged but not answered", acknowledged & (answers == 0)),
        ("answered but never pushed", ~attempted & (answers > 0)),
        ("answered more than once", answers > 1),
    ):
        verdict.none_of(name, evidence(marks), "records", int(marks.sum()))
    wrong = books.wrong()
    found = [f"{place}: {what}\n{neighbourhood(ground.client, ground.keys, place)}" for place, what in wrong[:5]]
    verdict.figure("entries of the records streams", len(books.rows), "entries")
    verdict.none_of("entries not answered exactly once", found, "entries", len(wrong))
    _judge_content(verdict, books)


def _judge_content(verdict: Verdict, books: Books) -> None:
    """Each result is that of its record: its id, its logit, and the right one of prediction and rejection."""
    workload, unusable = books.workload, books.workload.unusable()
    verdict.at_least("records without ids, known by their values", len(books.bare), "entries", 1)
    stray = books.stray_results
    verdict.none_of("results whose ids are not those of their rows", stray[:GATHERED], "results", len(stray))
    verdict.at_least("logits of the first model, calculated again", books.checked_logits, "rows", 1)
    verdict.none_of(
        "of them other than calculated", books.wrong_logits[:GATHERED], "results", len(books.wrong_logits)
    )
    for name, marks in (
        (
            "usable records rejected, other than as poison",
            (books.rejected_by_id > 0) & ~unusable & ~books.poisoned_by_id,
        ),
        ("unusable records predicted", (books.predicted_by_id > 0) & unusable),
    ):
        ids = [workload.id_at(int(index)).decode() for index in np.flatnonzero(marks)[:GATHERED]]
        verdict.none_of(name, ids, "records", int(marks.sum()))


def judge_completeness(verdict: Verdict, ground: Ground) -> None:
    """The witness saw each entry that the server says was ever added: nothing was trimmed before it was read."""
    missed = []
    books: Books = ground.collector.books
    for number in range(ground.plan.partitions):
        stream = ground.keys.partition(number).records
        flat = ground.client.insist("XINFO", "STREAM", stream)
        info = dict(zip(flat[::2], flat[1::2], strict=True))
        seen = sum(place[0] == number for place in books.rows)
        if int(info[b"entries-added"]) != seen:
            missed.append(f"{stream}: {info[b'entries-added']} entries were added, the witness saw {seen}")
    verdict.none_of("entries that the witness missed", missed, "streams")


def judge_processes(verdict: Verdict, ground: Ground) -> None:
    """Nobody died by itself, nobody hung, nobody logged an exception."""
    verdict.none_of("services that ended by themselves or hung", ground.fleet.unasked, "processes")
    verdict.none_of("exceptions nobody caught", ground.fleet.tracebacks(), "logs")
    for event in ("taken over", "late", "another monitor was first", "group created", "recovered"):
        verdict.figure(f'services said "{event}"', ground.fleet.count_said(event), "times")
    verdict.figure("starts refused while config was damaged", ground.fleet.refusals, "starts")


def neighbourhood(client: RawClient, keys: PipelineKeys, place: Place) -> str:
    """What stands around an entry in records, who holds it, and which results name it."""
    number, entry_id = place
    partition = keys.partition(number)
    lines = []
    for command, bounds in (("XREVRANGE", (entry_id, "-")), ("XRANGE", (entry_id, "+"))):
        for found, fields in client.insist(command, partition.records, *bounds, "COUNT", 3):
            lines.append(f"    records {found.decode()} {_short(fields)}")
    try:
        pending = client.insist("XPENDING", partition.records, SCORERS, entry_id, entry_id, 1)
    except ResponseError as error:
        pending = error
    lines.append(f"    pending {pending!r}")
    for stream in (partition.predictions, partition.rejected):
        for found, fields in entries_of(client, stream):
            named = dict(zip(fields[::2], fields[1::2], strict=False))
            if named.get(b"record") == entry_id:
                lines.append(f"    {stream} {found.decode()} {_short(fields)}")
    return "\n".join(lines)


def settle(verdict: Verdict, ground: Ground, turn: Turn, tell: Callable[[str], None]) -> None:
    """Wait until all is pushed, answered and in windows; what does not come is evidence."""
    stuck = []
    for name, reached in (
        ("pushed", ground.pushed),
        ("answered", ground.collector.level),
        ("in windows", lambda: windows.level(ground.client, ground.keys, ground.plan.partitions)),
    ):
        tell(f"waiting until everything is {name}")
        if not ground.wait(reached, SETTLE_S, turn):
            stuck.append(
                f"not everything was {name} {SETTLE_S:.0f} s after the last fault; "
                f"open: {ground.collector.unanswered()[:10]}\n{read_logs(ground.fleet.folder)}"
            )
    verdict.none_of("waits for the end that were in vain", stuck, "waits")


def judge_windows(verdict: Verdict, ground: Ground, folder: Path, *, replayed: bool = True) -> None:
    """Windows hold each record once; where no record was trimmed, they are those of an undisturbed monitor."""
    count, held, gaps = windows.count_windows(ground.client, ground.keys)
    verdict.figure("windows", count, "windows")
    verdict.none_of("windows missing or double", gaps, "windows")
    least, most = ground.collector.books.records_in_windows()
    off = max(least - held, held - most, 0)
    unheld = [f"windows hold {held} records, the streams {least} to {most}"] if off else []
    verdict.none_of("records in no window or in two", unheld, "records", off)
    if not replayed:
        return
    options = {**service_options(ground.plan, folder), "redis_url": ground.server.url}
    calm = windows.replay(ground.client, ground.keys, ground.plan.partitions, options, folder, SETTLE_S)
    different = windows.differences(ground.client, ground.keys, calm)
    verdict.none_of("windows other than undisturbed", different, "entries")


def read_logs(folder: Path) -> str:
    """The last lines of each log, for evidence about a run that came to no end."""
    texts = []
    for path in sorted(folder.glob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
        texts += [f"{path.name}: {line[:400]}" for line in lines]
    return "\n".join(texts)


def _marks(workload: Workload, batches: list[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    marks = np.zeros(workload.records, dtype=np.bool_)
    for number in batches:
        marks[workload.starts[number] : workload.starts[number + 1]] = True
    return marks


def _short(fields: list[bytes]) -> str:
    return " ".join(f"{part[:40]!r}" for part in fields[:12])
