"""A whole pipeline of real processes, what was sent through it, and what must have come of it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.entry import field_map
from core.fields import encode_fields
from core.file_registry import FileRegistry
from core.keys import TRAINERS, PipelineKeys
from core.miniflow import MiniFlow
from core.record_encoder import encode_block, encode_plain
from core.schema import Schema
from core.settings import Settings
from tests.guarantees.troubled_server import TroubledServer
from tests.monitor.undisturbed import assert_undisturbed, wait_until_level
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams
from tests.servers import wait_until
from trainer.fit import fit
from trainer.run_log import log_run
from trainer.table import Table

SCHEMA = Schema(("a", "b"), ("no", "yes"))
#: Under which windows close soon, and drift in some of them.
WINDOWS = Settings(window_records=100, slide_records=50, window_limit_s=0.3, retrain_cooldown_s=0.0)
_WINDOW_OPTIONS = (
    *("--window-records", "100", "--slide-records", "50", "--window-limit-s", "0.3"),
    *("--retrain-cooldown-s", "0"),
)
SERVICES = ("scorer", "monitor", "trainer")
#: Rows of each block.
BLOCK_ROWS = 16
#: Waits by the log of a service, by its own clock.
_READY = "ready"

Fields = list[str | bytes | int]


class Stage:
    """One pipeline on a server of its own; the services reach it by ``url``, the test directly.

    The model lies in the MiniFlow directory, from where the trainer brings it to the server.
    """

    def __init__(self, server: TroubledServer, folder: Path, url: str) -> None:
        self.server = server
        self.connection = Connection(server.url)
        self.keys = PipelineKeys("guarded")
        self.streams = Streams(self.connection, self.keys)
        self.services: dict[str, Scorer] = {}
        self.rows: dict[bytes, int] = {}  # of every entry that was pushed
        self.labels: list[bytes] = []
        self.events: list[bytes] = []
        self._folder = folder
        self._url = url
        self._numbers = np.random.default_rng(7)
        self._miniflow = MiniFlow(folder / "miniflow", self.keys.pipeline)
        x = self._numbers.normal(size=(400, 2))
        table = Table(SCHEMA.features, x, (x[:, 0] > 0).astype(np.uint8), SCHEMA.classes)
        fitted = fit(table, seed=0)
        run_id = log_run(self._miniflow, fitted, "fit")
        FileRegistry(folder / "miniflow", self.keys.pipeline).promote(run_id, fitted.file, 0, "first")

    def start(self, service: str, *more: str) -> Scorer:
        """Start one service as a process, with more options."""
        options = ("--redis-url", self._url, "--pipeline", self.keys.pipeline, "--takeover-idle-ms", "500")
        own = _WINDOW_OPTIONS if service == "monitor" else ()
        miniflow = ("--miniflow", str(self._folder / "miniflow"))
        self.services[service] = Scorer(*options, *own, *miniflow, *more, module=service, folder=self._folder)
        return self.services[service]

    def start_all(self) -> None:
        """Start every service; they may find no server."""
        for service in SERVICES:
            self.start(service)

    def ready(self) -> None:
        """Wait until each service can do its work."""
        for service in self.services.values():
            service.wait_for(_READY)

    def push(self, entries: int = 40, shift: float = 0.0) -> None:
        """Plain records, blocks and garbage; a label for each plain record, and a wish for a retraining."""
        commands: list[tuple[str | bytes | int, ...]] = []
        rows = []
        for number in range(entries):
            x = self._numbers.normal(shift, 1.0, (BLOCK_ROWS, 2))
            fields: Fields
            if number % 3 == 0:
                fields = list(encode_block(x, SCHEMA))
            elif number % 10 == 1:
                fields = ["garbage", number]
            else:
                fields = list(encode_plain(dict(zip(SCHEMA.features, x[0].tolist(), strict=True))))
            rows.append(BLOCK_ROWS if number % 3 == 0 else 1)
            commands.append(("XADD", self.streams.partition.records, "*", *fields))
        pushed = self.connection.pipeline(commands)
        assert all(isinstance(entry_id, bytes) for entry_id in pushed), pushed
        self.rows |= dict(zip(pushed, rows, strict=True))
        label = ("id", b"0-" + pushed[2] + b"-0", "y", "1")
        self.labels.append(self.connection.call("XADD", self.keys.labels, "*", *label))
        event = encode_fields(RetrainEvent(reason="manual"))
        self.events.append(self.connection.call("XADD", self.keys.retrain, "*", *event))

    def push_bulk(self, blocks: int, block_rows: int, plain: int) -> tuple[set[bytes], int]:
        """Large blocks, then small plain records; their ids, and what they weigh."""
        x = self._numbers.normal(size=(block_rows, 2))
        entries: list[list[bytes]] = [encode_block(x, SCHEMA)] * blocks
        entries += [encode_plain(dict(zip(SCHEMA.features, row.tolist(), strict=True))) for row in x[:plain]]
        records = self.streams.partition.records
        pushed = self.connection.pipeline([("XADD", records, "*", *fields) for fields in entries])
        self.rows |= {entry_id: block_rows if n < blocks else 1 for n, entry_id in enumerate(pushed)}
        return set(pushed), sum(len(value) for fields in entries for value in fields)

    def forget(self) -> None:
        """What was pushed before is gone from the server."""
        self.rows.clear()
        self.events.clear()

    def move(self, server: TroubledServer, folder: Path) -> None:
        """Go on with a restored server and folder; what it does not have was never pushed."""
        self.connection.close()
        self.server, self._url, self._folder = server, server.url, folder
        self.connection = Connection(server.url)
        self.streams = Streams(self.connection, self.keys)
        self.services.clear()
        self._miniflow = MiniFlow(folder / "miniflow", self.keys.pipeline)
        kept = {entry.id for entry in self.streams.entries(self.streams.partition.records)}
        self.rows = {entry_id: rows for entry_id, rows in self.rows.items() if entry_id in kept}
        events = {entry.id for entry in self.streams.entries(self.keys.retrain)}
        self.events = [event for event in self.events if event in events]

    def answer(self) -> None:
        """Wait until everything that was pushed is answered by scorer and trainer."""
        self.streams.await_results(set(self.rows))
        wait_until(self._trainer_is_level, "a trainer without open work")

    def settle(self) -> None:
        """Wait until it is in windows, too."""
        self.answer()
        wait_until_level(self.connection, self.keys)

    def waited(self, service: str) -> list[str]:
        """What a service said that it waits for, so far."""
        lines = [json.loads(line) for line in self.services[service].log]
        return [line["error"] for line in lines if line["event"] == "waiting"]

    def until_waiting(self, word: str, *services: str) -> None:
        """Until each of these services has said that it waits, with this word in the reason."""
        for service in services or SERVICES:
            wait_until(partial(self._waits, service, word), f"{service}: {word}")

    def _waits(self, service: str, word: str) -> bool:
        return any(word in reason for reason in self.waited(service))

    def reconnects(self, service: str) -> float:
        """How often a service counted that it came back."""
        return self.services[service].metrics().get("streamgauge_reconnects_total", 0.0)

    def end(self) -> dict[str, int]:
        """End every service in order; exit status by name."""
        return {name: service.end() for name, service in self.services.items()}

    def close(self) -> None:
        """End what still runs, at once."""
        for service in self.services.values():
            service.end(signal.SIGKILL)
        self.connection.close()

    def assert_exact(self) -> None:
        """Each row answered once; each event answered; each label looked at; windows undisturbed."""
        expected = Counter({(entry_id, row): 1 for entry_id, rows in self.rows.items() for row in range(rows)})
        assert self.streams.answered_rows() == expected
        assert self.streams.pending() == 0
        runs = [self._miniflow.run(summary.run_id) for summary in self._miniflow.runs()]
        answers = [str(run.params["event_id"]).encode() for run in runs if run.params.get("reason") == "manual"]
        assert set(answers) >= set(self.events)  # one whose acknowledgement was lost may be trained for again
        garbage = len(self.streams.rejections())
        scored = sum(self.rows.values()) - garbage
        assert_undisturbed(self.connection, self.keys, WINDOWS, scored)

    def _trainer_is_level(self) -> bool:
        for stream in (self.keys.labels, self.keys.retrain):
            groups: list[dict[bytes, Any]] = [
                field_map(group) for group in self.connection.call("XINFO", "GROUPS", stream)
            ]
            ours = [group for group in groups if group[b"name"] == TRAINERS.encode()]
            if not ours or ours[0][b"pending"] or int(ours[0][b"lag"] or 0):
                return False
        return True
