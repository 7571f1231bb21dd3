"""A pipeline of real processes beneath the page: rows like Raisin's, whose camera moves closer."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import PipelineKeys
from core.model import Floats
from core.redis_registry import RedisRegistry
from core.settings import load_settings
from producer.client import Producer
from streamgauge.demo import raisin_like
from streamgauge.demo.camera import magnify
from streamgauge.demo.row_file import LABEL, POSITIVE, write_rows
from tests.scorer.scorer_process import Scorer
from tests.servers import wait_until
from trainer.commands import fit_table

#: Small windows: a story is short. The limits that decide when a worker counts as gone are the shipped ones.
OPTIONS: dict[str, object] = {
    "window_records": 100,
    "window_min_records": 50,
    "window_limit_s": 20,
    "retrain_cooldown_s": 1,
    "min_labelled_rows": 200,
    "takeover_idle_ms": 2_000,
}
#: Factor by which lengths grow when the camera comes closer, as in the demo.
CLOSER = 1.25
#: Rows of a block.
BLOCK_ROWS = 25


@dataclass
class Stage:
    """One pipeline on a server.

    Every process ends with ``stack``.
    """

    url: str
    pipeline: str
    folder: Path
    stack: ExitStack
    seed: int = 1
    options: dict[str, object] = field(default_factory=lambda: dict(OPTIONS))
    monitor: Scorer | None = None
    scorers: list[Scorer] = field(default_factory=list)
    ids: list[str] = field(default_factory=list, repr=False)  #: of all rows pushed
    truth: list[float] = field(default_factory=list, repr=False)  #: their classes
    x: Floats = field(default_factory=lambda: np.empty((0, 0)), repr=False)  #: (n, 7) those of the last push

    def __post_init__(self) -> None:
        self.keys = PipelineKeys(self.pipeline)
        self.connection = self.stack.enter_context(Connection(self.url))
        self._draws = 100 * self.seed
        self._producers: dict[bool, Producer] = {}

    @property
    def page(self) -> str:
        """The address of the live page."""
        assert self.monitor is not None
        return self.monitor.url + "/"

    def fit(self, **options: object) -> str:
        """Fit a model of rows as they are before any drift, and promote it; its run."""
        path = self.folder / "train.csv"
        write_rows(path, [raisin_like.draw_rows(self.seed)])
        return self.fit_file(path, LABEL, POSITIVE, **options)

    def fit_file(self, path: Path, label: str, positive: str, **options: object) -> str:
        """The same of any file."""
        place = {"redis_url": self.url, "pipeline": self.pipeline, "miniflow": str(self.folder / "miniflow")}
        settings = load_settings({**place, **options}, environment={}, directory=self.folder)
        return fit_table(path, label, positive, settings).run_id

    def start(self, module: str, *, ready: bool = True, port: int = 0) -> Scorer:
        """A service as a process of its own; the monitor is the one that serves the page."""
        settings = {**self.options, "redis_url": self.url, "pipeline": self.pipeline, "http_port": port}
        settings["miniflow"] = self.folder / "miniflow"
        environment = {f"STREAMGAUGE_{name.upper()}": str(value) for name, value in settings.items()}
        process = Scorer(*(("--http-port", str(port)) if port else ()), module=module, environment=environment)
        self.stack.callback(process.end, signal.SIGKILL)
        process.wait_for("ready" if ready else "listening")
        if module == "monitor":
            self.monitor = process
        elif module == "scorer":
            self.scorers.append(process)
        return process

    def producer(self, *, block: bool = True) -> Producer:
        """The client that pushes blocks, or plain records."""
        if block not in self._producers:
            made = Producer(self.url, self.pipeline, block=block, batch_rows=BLOCK_ROWS)
            self._producers[block] = self.stack.enter_context(made)
        return self._producers[block]

    def push(self, rows: int, factor: float = 1.0, *, block: bool = True) -> None:
        """Rows that no model has seen, as the camera sees them."""
        draws = [raisin_like.draw_rows(self._draws + number) for number in range(1 + rows // 900)]
        self._draws += len(draws)
        x = magnify(np.concatenate([drawn[0] for drawn in draws])[:rows], raisin_like.FEATURES, factor)
        self.truth += np.concatenate([drawn[1] for drawn in draws])[:rows].astype(np.float64).tolist()
        ids = [f"grain-{len(self.ids) + number:06d}" for number in range(rows)]
        self.ids += ids
        self.x = x
        self.send(x, ids, block=block)

    def send(self, x: Floats, ids: Sequence[str], *, block: bool = True) -> None:
        """These rows, in order."""
        producer = self.producer(block=block)
        if block:
            for start in range(0, len(x), BLOCK_ROWS):
                producer.send_rows(x[start : start + BLOCK_ROWS], ids=ids[start : start + BLOCK_ROWS])
        else:
            features = producer.schema.features
            for row, record_id in zip(x.tolist(), ids, strict=True):
                producer.send(dict(zip(features, row, strict=True)), id=record_id)
        producer.flush()

    def push_until(self, true: Callable[[], bool], factor: float = 1.0, most_rows: int = 6_000) -> None:
        """Push window after window until something has come of it, and wait for what is on its way."""
        size = int(str(self.options["window_records"]))
        for _ in range(most_rows // size):
            before = self.windows()
            self.push(size, factor)
            wait_until(lambda before=before: self.windows() > before, "a window that closes")  # type: ignore[misc]
            if true():
                return
        raise AssertionError(f"{most_rows} rows, and it did not come true")

    def label(self, rows: int, truth: Sequence[float] | None = None) -> None:
        """The truth about the rows pushed last becomes known, or what somebody takes for it."""
        producer = self.producer()
        producer.send_labels(self.ids[-rows:], list(self.truth[-rows:] if truth is None else truth))
        producer.flush()

    def drawn_answers(self, rows: int) -> list[float]:
        """Outcomes of the rows pushed last, drawn with production's own probabilities: no model is better."""
        model = RedisRegistry(self.connection, self.keys).model(self.production()).model
        probability = model.score(self.x[-rows:]).probability
        return [float(drawn) for drawn in np.random.default_rng(self.seed).random(rows) < probability]

    def windows(self) -> int:
        """Windows that closed."""
        return int(self.connection.call("XLEN", self.keys.drift))

    def state(self) -> str:
        """Of the newest window; empty before the first."""
        entries = entries_of(self.connection.call("XREVRANGE", self.keys.drift, "+", "-", "COUNT", 1))
        return field_map(entries[0].fields)[b"state"].decode() if entries else ""

    def production(self) -> str:
        """The run in production."""
        return bytes(self.connection.call("HGET", self.keys.production, "run_id") or b"").decode()
