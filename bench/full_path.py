"""The full path: records in, predictions out. One scorer process on one core, the server on the other.

Each measurement fills the records stream first, then starts one reader and takes its rate between the first
answers and the last: start-up is not part of it, and the reader is never short of records. The readers take turns,
and the best of each counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bench.answers import answer_rate, wait_for_answers
from bench.bare_loop import ANSWER
from bench.fill import Fill
from bench.machine import cpu_s
from bench.peers.model_json import write_model
from bench.run import PARTITION, Run
from bench.table import make_model
from core.connection import Connection
from core.errors import UsageError

#: Measurements of each reader, the best counts.
_ROUNDS = 5
#: Records a second expected of each form (rows of a block; 0: plain), to size the stream for the time asked for.
_EXPECTED = {256: 2_500_000, 64: 1_500_000, 16: 500_000, 1: 60_000, 0: 60_000}
#: The same of the peers.
_EXPECTED_HAND, _EXPECTED_ONE_BY_ONE, _EXPECTED_FASTSTREAM = 40_000, 2_500, 10_000
#: Entries that are enough to learn how a scorer reads.
_PROBE_ENTRIES = 3_000
#: Commands that the server remembers: the scorer's reads, and those that its scripts call for each entry.
_REMEMBERED = 50_000
HAND = "redis-py + scikit-learn loop, 512 a read"


@dataclass
class _Rates:
    """Records a second by reader, the best of its rounds, and the processor time of one entry."""

    best: dict[str, float] = field(default_factory=dict)
    server_us: dict[str, float] = field(default_factory=dict)
    reader_us: dict[str, float] = field(default_factory=dict)

    def take(self, name: str, rate: float) -> None:
        self.best[name] = max(rate, self.best.get(name, 0.0))


def measure(run: Run) -> None:
    """Fill the report. Raises UsageError where a reader stops answering."""
    rates, count = _Rates(), {}
    with run.connect() as connection:
        for rows in (256, 1, 0):
            run.say(f"how a scorer reads: {_form(rows)}")
            count[rows] = _settled_count(run, connection, rows)
        for number in range(_ROUNDS):
            for rows in (256, 1, 0):
                run.say(f"round {number + 1} of {_ROUNDS}: {_form(rows)}")
                rates.take(_form(rows), _scorer(run, connection, rows, rates))
                run.say(f"round {number + 1} of {_ROUNDS}: bare loop, {_form(rows)}")
                rates.take(f"bare {_form(rows)}", _bare(run, connection, rows, count[rows], rates))
                if rows == 256:
                    rates.take("bare scoring", _bare(run, connection, rows, count[rows], rates, scoring=True))
            run.say(f"round {number + 1} of {_ROUNDS}: {HAND}")
            rates.take(HAND, _hand(run, connection, 512, True))
            rates.take("probability alone", _hand(run, connection, 512, False))
        for rows in (64, 16):
            run.say(_form(rows))
            rates.take(_form(rows), _scorer(run, connection, rows, rates))
        run.say("redis-py + scikit-learn loop, one by one")
        rates.take("one by one", _hand(run, connection, 1, True))
        faststream = _faststream(run, connection)
    _add_rates(run, rates, count, faststream)


def _add_rates(run: Run, rates: _Rates, count: dict[int, int], faststream: tuple[str, float | None]) -> None:
    add, best = run.report.add, rates.best
    bare = {rows: (f"bare loop, COUNT {count[rows]}", best[f"bare {_form(rows)}"]) for rows in count}
    hand = (HAND, best[HAND])
    add(_form(256), best[_form(256)], "records/s", bare[256], at_least=0.7)
    add(_form(256), best[_form(256)], "records/s", faststream, at_least=200)
    add(_form(256), best[_form(256)], "records/s", hand, at_least=60)
    add(_form(256), best[_form(256)], "records/s", ("bare loop that scores", best["bare scoring"]))
    for rows in (64, 16):
        add(_form(rows), best[_form(rows)], "records/s", hand)
    add(_form(1), best[_form(1)], "records/s", hand, at_least=4)
    add(_form(1), best[_form(1)], "records/s", bare[1])
    add(_form(0), best[_form(0)], "records/s", hand, at_least=2.5)
    add(_form(0), best[_form(0)], "records/s", bare[0])
    add(_form(0), best[_form(0)], "records/s", ("the same loop, probability alone", best["probability alone"]))
    add(_form(0), best[_form(0)], "records/s", ("the same loop, one by one", best["one by one"]))
    for rows in (256, 1, 0):
        for kind, spent in (("server", rates.server_us), ("reader", rates.reader_us)):
            if _form(rows) in spent:
                add(
                    f"processor time, {_form(rows)}: {kind}",
                    spent[_form(rows)],
                    "us/entry",
                    ("bare loop", spent[f"bare {_form(rows)}"]),
                )


def _form(rows: int) -> str:
    return f"blocks of {rows}" if rows else "plain records"


def _settled_count(run: Run, connection: Connection, rows: int) -> int:
    """The COUNT that a scorer settles at, by the server's slow log."""
    run.reset(connection)
    _fill(run, connection, rows, _PROBE_ENTRIES)
    connection.call("CONFIG", "SET", "slowlog-max-len", _REMEMBERED, "slowlog-log-slower-than", 0)
    connection.call("SLOWLOG", "RESET")
    with run.scorer():
        wait_for_answers(connection, PARTITION.predictions, _PROBE_ENTRIES)
        commands = [item[3] for item in connection.call("SLOWLOG", "GET", -1)]
    connection.call("CONFIG", "SET", "slowlog-log-slower-than", -1)
    connection.call("SLOWLOG", "RESET")
    counts = [
        int(command[command.index(b"COUNT") + 1])
        for command in commands
        if command[0].upper() == b"XREADGROUP" and PARTITION.records.encode() in command
    ]
    if not counts:
        raise UsageError("no XREADGROUP of the scorer was seen; the bare loop cannot be given its COUNT")
    return Counter(counts).most_common(1)[0][0]


def _keep_answer(connection: Connection) -> None:
    """Put one real prediction where the bare loop finds it."""
    ((_, fields),) = connection.call("XREVRANGE", PARTITION.predictions, "+", "-", "COUNT", 1)
    connection.call("DEL", ANSWER)
    connection.call("RPUSH", ANSWER, *fields)


def _entries(run: Run, rows: int) -> int:
    return int(_EXPECTED[rows] * run.seconds / max(1, rows))


def _fill(run: Run, connection: Connection, rows: int, entries: int) -> None:
    fill = Fill(connection, PARTITION.records, make_model(run.seed), rows, run.seed)
    fill.warm(entries)
    fill.add(entries)


def _scorer(run: Run, connection: Connection, rows: int, rates: _Rates) -> float:
    """Records a second of one scorer."""
    entries = _entries(run, rows)
    run.reset(connection)
    _fill(run, connection, rows, entries)
    with run.scorer() as scorer:
        wait_for_answers(connection, PARTITION.predictions, 1)
        before = _processor_times(run, scorer.pid)
        rate = answer_rate(connection, PARTITION.predictions, entries)
        _note_times(rates, _form(rows), before, _processor_times(run, scorer.pid), entries)
    return rate * max(1, rows)


def _bare(
    run: Run, connection: Connection, rows: int, count: int, rates: _Rates, *, scoring: bool = False
) -> float:
    """Records a second of the bare loop: the same records, answers of the same bytes.

    The predictions stream must hold answers of the same form, whose fields are taken over.
    """
    _keep_answer(connection)
    answer = connection.call("LRANGE", ANSWER, 0, -1)
    entries = _entries(run, rows)
    run.reset(connection)
    connection.call("RPUSH", ANSWER, *answer)
    _fill(run, connection, rows, entries)
    where = (str(run.server.port), PARTITION.records, PARTITION.predictions)
    more = (_model_path(run),) if scoring else ()
    with run.program("bench.bare_loop", *where, str(count), *more) as process:
        wait_for_answers(connection, PARTITION.predictions, 1)
        before = _processor_times(run, process.pid)
        rate = answer_rate(connection, PARTITION.predictions, entries)
        name = "bare scoring" if scoring else f"bare {_form(rows)}"
        _note_times(rates, name, before, _processor_times(run, process.pid), entries)
    return rate * max(1, rows)


def _hand(run: Run, connection: Connection, count: int, whole: bool) -> float:
    """Records a second of the hand-written loop."""
    entries = int((_EXPECTED_ONE_BY_ONE if count == 1 else _EXPECTED_HAND) * run.seconds)
    run.reset(connection)
    _fill(run, connection, 0, entries)
    where = (run.server.url, PARTITION.records, PARTITION.predictions)
    how = (str(count), "whole" if whole else "bare", _model_path(run))
    with run.program("bench.peers.hand_loop", *where, *how):
        return answer_rate(connection, PARTITION.predictions, entries)


def _faststream(run: Run, connection: Connection) -> tuple[str, float | None]:
    """Name and records a second of the FastStream loop."""
    run.say("FastStream")
    python = run.peers.python
    if python is None:
        return f"FastStream {run.peers.missing}", None
    versions = run.peers.versions("faststream")
    run.report.versions |= versions
    entries, best = int(_EXPECTED_FASTSTREAM * run.seconds), 0.0
    for _ in range(_ROUNDS - 2):
        run.reset(connection)
        _fill(run, connection, 0, entries)
        where = (run.server.url, PARTITION.records, PARTITION.predictions, "512", _model_path(run))
        with run.program("bench.peers.faststream_loop", *where, python=python):
            best = max(best, answer_rate(connection, PARTITION.predictions, entries))
    return f"FastStream {versions['faststream']}, batch 512", best


def _model_path(run: Run) -> str:
    return str(write_model(run.folder, make_model(run.seed)))


def _processor_times(run: Run, pid: int | None) -> tuple[float, float] | None:
    """Seconds of processor time of the server and of a reader."""
    server, reader = cpu_s(run.server.pid), None if pid is None else cpu_s(pid)
    return None if server is None or reader is None else (server, reader)


def _note_times(
    rates: _Rates,
    name: str,
    before: tuple[float, float] | None,
    after: tuple[float, float] | None,
    entries: int,
) -> None:
    """Keep the least processor time an entry of all rounds."""
    if before is None or after is None:
        return
    for spent, begin, end in zip((rates.server_us, rates.reader_us), before, after, strict=True):
        spent[name] = min((end - begin) / entries * 1e6, spent.get(name, float("inf")))
