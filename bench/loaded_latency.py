"""Latency at 5,000 records a second, and what its tail consists of.

An open loop: a record is due every 200 us whether or not the ones before it were answered, and its latency counts
from when it was due, so a pause shows in every record that it held up.
"""

from __future__ import annotations

import select
import time
from contextlib import ExitStack

from bench.fill import make_entries
from bench.latency import BARE_PREDICTIONS, BARE_RECORDS, prepare
from bench.machine import pinned, waited_s
from bench.percentile import percentile
from bench.raw_client import RawClient, pack, raw_client
from bench.run import PARTITION, Run
from bench.table import make_model
from core.connection import Connection
from core.settings import Settings

#: Records a second.
_RATE = 5_000
#: The first part of the records does not count.
_WARM_UP_RECORDS = 2_000
#: Rounds in which the variants take turns.
_ROUNDS = 3
#: No answer for so long is an error.
_PATIENCE_S = 10.0
_PERCENTS = (50, 99, 99.9)
#: A trim that never comes, to see what the regular ones cost.
_NEVER_MS = 3_600_000


def measure(run: Run) -> None:
    """Fill the report."""
    samples: dict[str, list[float]] = {"scorer": [], "trims off": [], "client apart": [], "bare": []}
    waited: dict[str, list[float]] = {}
    with run.connect() as connection:
        for number in range(_ROUNDS):
            run.say(f"round {number + 1} of {_ROUNDS}")
            prepare(run, connection)
            samples["scorer"] += _scorer(run, apart=False, waited=waited)
            samples["trims off"] += _scorer(run, apart=False, trim_every_ms=_NEVER_MS)
            samples["client apart"] += _scorer(run, apart=True)
            samples["bare"] += _bare(run, connection)
    for percent in _PERCENTS:
        beside = percentile(samples["bare"], percent) * 1e6
        for name, kind in (
            ("", "scorer"),
            (", no trimming", "trims off"),
            (", client on the server's core", "client apart"),
        ):
            run.report.add(
                f"latency, 5,000/s{name}: p{percent:g}",
                percentile(samples[kind], percent) * 1e6,
                "us",
                ("bare worker and client", beside),
            )
    for name, shares in waited.items():
        run.report.add(f"latency, 5,000/s: {name} waited for a core", max(shares) * 100, "% of the time")


def _scorer(
    run: Run,
    *,
    apart: bool,
    trim_every_ms: int = Settings().trim_every_ms,
    waited: dict[str, list[float]] | None = None,
) -> list[float]:
    """Latencies; into ``waited``, how long scorer and server waited for a core, as shares of the time."""
    with run.scorer(trim_every_ms=trim_every_ms) as scorer:
        scorer.wait_for("ready")
        core = run.server_core if apart else run.client_core
        pids = {"scorer": scorer.pid or 0, "server": run.server.pid}
        before = {name: waited_s(pid) for name, pid in pids.items()}
        begin_s = time.perf_counter()
        latencies = _latencies(run, core, PARTITION.records, PARTITION.predictions)
        elapsed_s = time.perf_counter() - begin_s
        for name, pid in pids.items():
            since, now = before[name], waited_s(pid)
            if waited is not None and since is not None and now is not None:
                waited.setdefault(name, []).append((now - since) / elapsed_s)
        return latencies


def _bare(run: Run, connection: Connection) -> list[float]:
    connection.call("DEL", BARE_RECORDS, BARE_PREDICTIONS)
    with run.program("bench.bare_worker", str(run.server.port), BARE_RECORDS, BARE_PREDICTIONS):
        while not connection.call("EXISTS", BARE_RECORDS):  # the worker has made its group
            time.sleep(0.01)
        return _latencies(run, run.client_core, BARE_RECORDS, BARE_PREDICTIONS)


def _latencies(run: Run, core: int | None, records: str, predictions: str) -> list[float]:
    """Seconds from when each record was due to when its answer was read; answers come in the records' order."""
    count = _WARM_UP_RECORDS + int(_RATE * run.seconds)
    entries = make_entries(make_model(run.seed), 0, run.seed)
    pushes = [pack("XADD", records, "*", *fields) for fields in entries]
    with ExitStack() as stack:
        stack.enter_context(pinned(core))
        writer, reader = (stack.enter_context(raw_client(run.server.port)) for _ in range(2))
        answered_s = _drive(writer, reader, pushes, predictions, count)
    return [answer_s - number / _RATE for number, answer_s in enumerate(answered_s)][_WARM_UP_RECORDS:]


def _drive(writer: RawClient, reader: RawClient, pushes: list[bytes], predictions: str, count: int) -> list[float]:
    """Push ``count`` records on time; when each answer was read, in seconds from the first push."""
    newest = reader.call("XREVRANGE", predictions, "+", "-", "COUNT", 1)
    last: bytes = newest[0][0] if newest else b"0-0"

    def wait_for_more() -> None:
        reader.send(pack("XREAD", "COUNT", 1_000, "BLOCK", 0, "STREAMS", predictions, last))

    wait_for_more()
    begin_s = time.perf_counter()
    answered_s: list[float] = []
    sent = 0
    while len(answered_s) < count:
        now_s = time.perf_counter() - begin_s
        due = min(count, int(now_s * _RATE) + 1)
        if due > sent:
            writer.send(b"".join(pushes[number % len(pushes)] for number in range(sent, due)))
            sent = due
        pause_s = sent / _RATE - (time.perf_counter() - begin_s) if sent < count else _PATIENCE_S
        readable, _, _ = select.select([writer.socket, reader.socket], [], [], max(0.0, pause_s))
        if writer.socket in readable:
            writer.receive()
            while writer.ready() is not False:
                pass
        if reader.socket in readable:
            reader.receive()
            if (reply := reader.ready()) is not False:
                now_s = time.perf_counter() - begin_s
                answered_s += [now_s] * len(reply[0][1])
                last = reply[0][1][-1][0]
                wait_for_more()
        if sent == count and not readable:
            raise TimeoutError(f"{len(answered_s)} of {count} records were answered; run the scorer by hand")
    return answered_s
