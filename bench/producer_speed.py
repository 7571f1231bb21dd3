"""How fast records are pushed: blocks and plain records by the Producer, beside redis-py's pipelined xadd."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable

import redis

from bench.machine import pinned
from bench.run import CHECKOUT, KEYS, PARTITION, Run
from bench.table import make_model, make_rows
from core.connection import Connection
from core.model import Floats
from producer.client import Producer
from streamgauge.demo.raisin_like import FEATURES

#: Measurements of each kind, the best counts; the kinds take turns.
_ROUNDS = 5
#: Records a second expected, to choose how many to push.
_EXPECTED_BLOCKS, _EXPECTED_PLAIN, _EXPECTED_CSV = 5_000_000, 80_000, 60_000
#: Rows given to one call of send_rows.
_CALL_ROWS = 100_000
#: Records a pipeline of the peer.
_BATCH = 500
#: Nobody reads here, and a full backlog is not what is measured.
_NO_LIMIT = 2**50


def measure(run: Run) -> None:
    """Fill the report."""
    plain = make_rows(int(_EXPECTED_PLAIN * run.seconds), run.seed).tolist()
    records = [dict(zip(FEATURES, row, strict=True)) for row in plain]
    x = make_rows(_CALL_ROWS, run.seed)
    best: dict[str, float] = {}
    with run.connect() as connection, pinned(run.client_core):
        kinds: dict[str, Callable[[], float]] = {
            "blocks": lambda: _blocks(run, connection, x),
            "plain": lambda: _plain(run, connection, records),
            "peer": lambda: _redis_py(run, connection, records),
        }
        for number in range(_ROUNDS):
            run.say(f"round {number + 1} of {_ROUNDS}")
            for name, kind in kinds.items():
                best[name] = max(kind(), best.get(name, 0.0))
        run.say("streamgauge produce")
        command = {block: _command(run, connection, block) for block in (0, 256)}
    add, peer = run.report.add, (f"redis-py, pipelined xadd of {_BATCH}", best["peer"])
    add("producer: send_rows, blocks of 500", best["blocks"], "records/s", at_least=1_000_000)
    add("producer: send, plain", best["plain"], "records/s", peer, at_least=2)
    add("producer: streamgauge produce of a CSV, plain", command[0], "records/s", peer)
    add("producer: streamgauge produce --block 256 of a CSV", command[256], "records/s", peer)


def _producer(run: Run) -> Producer:
    return Producer(
        run.server.url,
        KEYS.pipeline,
        schema=make_model(run.seed).model.schema,
        max_backlog_entries=_NO_LIMIT,
        max_backlog_bytes=_NO_LIMIT,
    )


def _blocks(run: Run, connection: Connection, x: Floats) -> float:
    run.reset(connection)
    calls = max(1, int(_EXPECTED_BLOCKS * run.seconds) // len(x))
    with _producer(run) as producer:
        begin_s = time.perf_counter()
        for _ in range(calls):
            producer.send_rows(x)
        producer.flush()
        return calls * len(x) / (time.perf_counter() - begin_s)


def _plain(run: Run, connection: Connection, records: list[dict[str, float]]) -> float:
    run.reset(connection)
    with _producer(run) as producer:
        begin_s = time.perf_counter()
        for record in records:
            producer.send(record)
        producer.flush()
        return len(records) / (time.perf_counter() - begin_s)


def _redis_py(run: Run, connection: Connection, records: list[dict[str, float]]) -> float:
    run.reset(connection)
    with redis.Redis.from_url(run.server.url) as client:
        begin_s = time.perf_counter()
        for start in range(0, len(records), _BATCH):
            pipe = client.pipeline(transaction=False)
            for record in records[start : start + _BATCH]:
                pipe.xadd(PARTITION.records, record)
            pipe.execute()
        return len(records) / (time.perf_counter() - begin_s)


def _command(run: Run, connection: Connection, block: int) -> float:
    """Records a second of ``streamgauge produce`` as it says itself, start-up left out."""
    run.reset(connection)
    path = run.folder / "records.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(FEATURES)
        writer.writerows(make_rows(int(_EXPECTED_CSV * run.seconds), run.seed).tolist())
    where = ("--redis-url", run.server.url, "--pipeline", KEYS.pipeline, "--json")
    command = [sys.executable, "-m", "streamgauge", "produce", str(path), *where]
    done = subprocess.run(
        [*command, *(("--block", str(block)) if block else ())],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    counts = json.loads(done.stdout)
    return float(counts["sent"] / counts["seconds"])
