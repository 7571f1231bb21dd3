"""Record what the services of a checkout write, for the tests of the releases after it.

::

    python -m tests.earlier_releases.record CHECKOUT REDIS_URL NAME [option of fit ...]

The server must be empty. Give it a clock of two years ago (libfaketime), else the recording's entries are young
for a week: the services keep what they will trim later.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import SCORERS, TRAINERS
from core.record_encoder import encode_block
from core.schema import Schema
from tests.earlier_releases.recording import RECORDED, Group, Hash, Recording, Stream, Text
from tests.servers import PATIENCE_S, wait_until

FEATURES, CLASSES = ("a", "b", "c"), ("no", "yes")
_RECORDS = RECORDED.partition(0)
#: A thousand years: nothing is trimmed while it is recorded.
_KEEP_MS = "31536000000000"


class _Checkout:
    """The programs of one checkout."""

    def __init__(self, checkout: Path, url: str, folder: Path) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(checkout), "STREAMGAUGE_REDIS_URL": url}
        self._environment |= {
            "STREAMGAUGE_PIPELINE": RECORDED.pipeline,
            "STREAMGAUGE_MINIFLOW": str(folder / "runs"),
        }
        self._folder = folder
        self._generator = np.random.default_rng(11)

    def run(self, *arguments: str) -> None:
        """One command to its end."""
        self._start("streamgauge", *arguments).wait(PATIENCE_S)

    @contextmanager
    def service(self, module: str, *options: str) -> Iterator[None]:
        """A service that runs meanwhile."""
        process = self._start(module, "--http-port", "0", "--records-keep-ms", _KEEP_MS, *options)
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def rows(self, name: str, n: int, shift: float = 0.0) -> Path:
        """A file of rows with ids and classes, of which the first feature decides; the other way with a shift."""
        x = np.round(self._generator.normal(0.0, 1.0, (n, 3)), 3)
        yes = self._generator.random(n) < 1 / (1 + np.exp((2 if shift else -2) * x[:, 0]))
        x[:, 1] += shift
        lines = [
            f"{name}-{number},{','.join(map(repr, row))},{CLASSES[int(label)]}"
            for number, (row, label) in enumerate(zip(x.tolist(), yes, strict=True))
        ]
        path = self._folder / f"{name}.csv"
        path.write_text("\n".join([f"id,{','.join(FEATURES)},class", *lines]) + "\n", encoding="utf-8")
        return path

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.Popen(command, cwd=self._folder, env=self._environment)


def main() -> None:
    """Record one checkout."""
    checkout, url, name, *fit_options = sys.argv[1:]
    with Connection(url) as connection, tempfile.TemporaryDirectory() as folder:
        _live(_Checkout(Path(checkout).resolve(), url, Path(folder)), connection, fit_options)
        recorded = Recording(
            {key.decode(): _value(connection, key) for key in sorted(connection.call("KEYS", "sg:*"))}
        )
    target = Path(__file__).with_name(f"{name}.json.gz")
    target.write_bytes(gzip.compress(msgspec.json.encode(recorded), mtime=0))


def _live(program: _Checkout, connection: Connection, fit_options: list[str]) -> None:
    """Records of both forms and bad ones, drift, labels, a retraining; then work that nobody has done."""
    training = program.rows("training", 400)
    training.write_text("\n".join(line.split(",", 1)[1] for line in training.read_text().splitlines()) + "\n")
    program.run("fit", str(training), "--label", "class", "--positive", "yes", *fit_options)
    windows = ("--window-records", "50", "--window-min-records", "10", "--window-limit-s", "1")
    training_options = ("--min-labelled-rows", "60", "--retrain-cooldown-s", "0")
    with program.service("scorer"):
        with program.service("monitor", *windows, "--retrain-cooldown-s", "0"):
            with program.service("trainer", *training_options):
                program.run("produce", str(program.rows("plain", 40)), "--id", "id", "--label", "class")
                program.run(
                    "produce", str(program.rows("block", 64)), "--id", "id", "--label", "class", "--block", "16"
                )
                _push_bad(connection)
                drifted = str(program.rows("drifted", 200, shift=2.0))
                program.run("produce", drifted, "--id", "id", "--block", "25")
                program.run("labels", drifted, "--id", "id", "--label", "class")
                connection.call("XADD", RECORDED.labels, "*", "id", "plain-3", "y", "7")
                wait_until(lambda: _length(connection, RECORDED.promotions) == 2, "a second promotion")
            wait_until(lambda: _windows_hold_all(connection), "windows of every record")
        program.run("produce", str(program.rows("late", 8)), "--id", "id")
        wait_until(lambda: _open(connection, _RECORDS.records, SCORERS) == 0, "answers")
    program.run("produce", str(program.rows("open", 5)), "--id", "id")
    program.run("produce", str(program.rows("openblock", 16)), "--id", "id", "--block", "16")
    program.run("labels", str(program.rows("late", 8)), "--id", "id", "--label", "class")
    connection.call("XREADGROUP", "GROUP", SCORERS, "died", "COUNT", 2, "STREAMS", _RECORDS.records, ">")
    program.run("retrain")


def _push_bad(connection: Connection) -> None:
    records = _RECORDS.records
    connection.call("XADD", records, "*", "_id", "bad-1", "a", "1_0", "b", "0.5", "c", "0.25")
    connection.call("XADD", records, "*", "a", "1", "b", "0.5")
    x = np.array([[0.5, 0.25, 0.125], [np.nan, 0.0, 1.0], [1.5, -0.5, 0.0]])
    connection.call("XADD", records, "*", *encode_block(x, Schema(FEATURES, CLASSES), ids=[b"i", b"j", b"k"]))


def _length(connection: Connection, stream: str) -> int:
    return int(connection.call("XLEN", stream))


def _open(connection: Connection, stream: str, name: str) -> int:
    groups: list[dict[bytes, Any]] = [field_map(group) for group in connection.call("XINFO", "GROUPS", stream)]
    (group,) = [group for group in groups if group[b"name"] == name.encode()]
    return int(group[b"pending"]) + int(group[b"lag"])


def _windows_hold_all(connection: Connection) -> bool:
    newest = [
        entries_of(connection.call("XREVRANGE", stream, "+", "-", "COUNT", 1))
        for stream in (_RECORDS.records, RECORDED.drift)
    ]
    open_events = _open(connection, RECORDED.retrain, TRAINERS)
    return field_map(newest[1][0].fields)[b"last_entry"] == newest[0][0].id and open_events == 0


def _value(connection: Connection, key: bytes) -> Stream | Hash | Text:
    kind = connection.call("TYPE", key)
    if kind == b"hash":
        return Hash(connection.call("HGETALL", key))
    if kind == b"string":
        return Text(connection.call("GET", key))
    assert kind == b"stream", f"{key!r} is a {kind!r}"
    entries = [(entry.id, entry.fields) for entry in entries_of(connection.call("XRANGE", key, "-", "+"))]
    groups = []
    for found in connection.call("XINFO", "GROUPS", key):
        group: dict[bytes, Any] = field_map(found)
        held = connection.call("XPENDING", key, group[b"name"], "-", "+", 1_000)
        pending = [(each[0], each[1]) for each in held]
        groups.append(Group(group[b"name"], group[b"last-delivered-id"], group[b"entries-read"], pending))
    return Stream(entries, groups)


if __name__ == "__main__":
    main()
