"""``python -m bench.chaos.pusher``: push batches as far as allowed, and keep a journal of what was acknowledged.

It is killed, stopped and started again like the services. The journal says ``A <batch>`` before a batch is tried
and ``D <batch>`` once the server has acknowledged all of it; a batch that was tried is never tried again by a
successor, which could not know its sequence number.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from bench.chaos.workload import SCHEMA, Batch, Workload
from core.errors import BacklogFull, ServerUnavailable, SettingsError, StreamError
from core.settings import Settings
from producer.client import Producer

#: Pause before a refused batch is tried again.
RETRY_S = 0.1
#: First line of its output: from now on SIGTERM ends it in order.
STARTED = "pusher started"


class Task(msgspec.Struct, frozen=True):
    """What one pusher process is to do."""

    url: str
    pipeline: str
    seed: int
    records: int
    first_batch: int
    journal: str
    max_backlog_entries: int = 1_000_000


class Pusher:
    """Pushes the batches of a task in order, up to the limit that standard input names."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._workload = Workload(task.seed, task.records)
        self._journal = os.open(task.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._limit = task.first_batch
        self._allowed = threading.Condition()
        self._stopping = False
        self._producer: Producer | None = None

    def run(self) -> int:
        """Push until all is done, or a signal; the exit status."""
        signal.signal(signal.SIGTERM, self._stop)
        print(STARTED, flush=True)
        threading.Thread(target=self._listen, daemon=True).start()
        while self._producer is None and not self._stopping:
            self._producer = self._connect()
        for number in range(self._task.first_batch, self._workload.batches):
            if not self._wait_for(number) or self._producer is None:
                break
            self._note(b"A", number)
            if not self._push(self._producer, self._workload.batch(number)):
                break
            self._note(b"D", number)
        if self._producer is not None:
            self._producer.close(timeout_s=0)
        return 0

    def _connect(self) -> Producer | None:
        task = self._task
        try:
            return Producer(
                task.url,
                schema=SCHEMA,
                batch_rows=256,
                linger_ms=1_000,
                max_backlog_entries=task.max_backlog_entries,
                settings=Settings(pipeline=task.pipeline),
            )
        except (ServerUnavailable, SettingsError, StreamError, RedisError) as error:  # the config may be no hash
            sys.stderr.write(f"not connected: {error}\n")
            time.sleep(RETRY_S)
            return None

    def _push(self, producer: Producer, batch: Batch) -> bool:
        """Push one batch; whether the server acknowledged all of it before a stop."""
        try:
            if batch.block:
                producer.send_rows(batch.x, *(() if batch.bare else (batch.ids, batch.labels)))
            else:
                self._send_plain(producer, batch)
        except (StreamError, ServerUnavailable, BacklogFull) as error:
            sys.stderr.write(f"batch {batch.number}: {error}\n")  # it is buffered
        while not self._stopping:
            try:
                if producer.flush(1.0) == 0:
                    return True
            except (StreamError, ServerUnavailable, BacklogFull) as error:
                sys.stderr.write(f"batch {batch.number}: {error}\n")
                time.sleep(RETRY_S)
        return producer.unsent == 0

    def _send_plain(self, producer: Producer, batch: Batch) -> None:
        for row, (values, record_id) in enumerate(zip(batch.x.tolist(), batch.ids, strict=True)):
            features: dict[str, float | str] = dict(zip(SCHEMA.features, values, strict=True))
            if row in batch.texts:
                features[SCHEMA.features[0]] = batch.texts[row]
            if batch.bare:
                producer.send(features)
                continue
            label = float(batch.labels[row])
            producer.send(features, record_id, label=None if math.isnan(label) else int(label))

    def _note(self, kind: bytes, number: int) -> None:
        os.write(self._journal, b"%b %d\n" % (kind, number))

    def _wait_for(self, number: int) -> bool:
        """Wait until a batch may go; False where it never will."""
        with self._allowed:
            while number >= self._limit and not self._stopping:
                self._allowed.wait(0.2)
        return not self._stopping

    def _listen(self) -> None:
        for line in sys.stdin:
            with self._allowed:
                self._limit = int(line)
                self._allowed.notify()
        self._stopping = True  # whoever started this is gone

    def _stop(self, *_: object) -> None:
        self._stopping = True
        if self._producer is not None:
            self._producer.interrupt()


def read_journal(path: Path) -> tuple[list[int], set[int]]:
    """Batches that were tried, in order, and those that were acknowledged; an unfinished last line is no line."""
    tried: list[int] = []
    done: set[int] = set()
    text = path.read_bytes() if path.exists() else b""
    for line in text[: text.rfind(b"\n") + 1].splitlines():
        kind, _, number = line.partition(b" ")
        if kind == b"A":
            tried.append(int(number))
        else:
            done.add(int(number))
    return tried, done


if __name__ == "__main__":
    sys.exit(Pusher(msgspec.json.decode(sys.argv[1], type=Task)).run())
