"""Tables that the trainer's tests share, scikit-learn as the oracle, and a pipeline as the monitor leaves it."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from core.connection import Connection, ServerError
from core.drift_window import DriftWindow, RetrainEvent, RetrainReason
from core.entry import Entry, entries_of, field_map, streams_of
from core.fields import encode_fields
from core.file_registry import FileRegistry
from core.keys import MONITORS, TRAINERS, PipelineKeys
from core.miniflow import MiniFlow, Run
from core.model import Floats
from core.redis_registry import RedisRegistry
from core.sample_block import SampleBlock
from core.schema import Schema
from core.settings import Settings
from tests.drift_references import QUICK_BLOCKS
from trainer.fit import fit
from trainer.run_log import log_run
from trainer.service import Trainer
from trainer.table import Labels, Table, read_table

Oracle = Callable[[Floats, Labels, float], LogisticRegression]


@pytest.fixture(scope="session")
def raisin(raisin_csv: Path) -> Table:
    return read_table(raisin_csv, "Class", positive="Besni")


@pytest.fixture(scope="session")
def standardised(raisin: Table) -> Floats:
    """(900, 7) the whole set, standardised with divisor N."""
    z: Floats = (raisin.x - raisin.x.mean(axis=0)) / raisin.x.std(axis=0)
    return z


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """scikit-learn's optimum for C, to a tolerance of 1e-10 and with no warning."""

    def fitted(x: Floats, y: Labels, c: float) -> LogisticRegression:
        return LogisticRegression(C=c, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(x, y)

    return fitted


@pytest.fixture
def small_table() -> Table:
    """60 rows of three features, two of them nearly collinear."""
    generator = np.random.default_rng(7)
    first = generator.normal(size=60)
    x = np.column_stack([first, first + 0.01 * generator.normal(size=60), generator.normal(10.0, 3.0, 60)])
    y = (first + generator.normal(size=60) > 0).astype(np.uint8)
    return Table(("a", "b", "c"), x, y, ("no", "yes"))


#: What the records of a :class:`Stage` look like.
SCHEMA = Schema(("a", "b"), ("no", "yes"))
#: Records come at this time, one a millisecond: long before their labels.
FIRST_MS = 1_700_000_000_000
#: No entry has a larger id.
END = b"18446744073709551615-18446744073709551615"
#: What the drift adds to feature a: enough that the first model calls everything "yes".
SHIFT = 4.0


@dataclass
class Stage:
    """A pipeline on a real server, with rows, labels and events as its other services write them."""

    connection: Connection
    settings: Settings
    trainers: list[Trainer] = field(default_factory=list)
    _windows: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _records: int = 0  # number of the next sampled record

    @property
    def keys(self) -> PipelineKeys:
        return self.settings.keys

    @property
    def registry(self) -> RedisRegistry:
        return RedisRegistry(self.connection, self.keys)

    @property
    def files(self) -> FileRegistry:
        return FileRegistry(self.settings.miniflow_path, self.settings.pipeline)

    @property
    def miniflow(self) -> MiniFlow:
        return MiniFlow(self.settings.miniflow_path, self.settings.pipeline)

    @property
    def production(self) -> str:
        production = self.registry.production()
        assert production is not None
        return production.run_id

    def draw(self, n: int, shift: float = 0.0, seed: int = 0) -> tuple[Floats, Labels]:
        """Rows whose class hangs on feature a, which the camera moved by ``shift``."""
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(n, 2))
        y = (generator.random(n) < 1 / (1 + np.exp(-3 * x[:, 0]))).astype(np.uint8)
        return x + np.array([shift, 0.0]), y

    def first_model(self) -> str:
        """A model of the world before the drift, in production in MiniFlow; its run id."""
        x, y = self.draw(400, seed=99)
        fitted = fit(Table(SCHEMA.features, x, y, SCHEMA.classes), seed=0)
        run_id = log_run(self.miniflow, fitted, "fit")
        self.files.promote(run_id, fitted.file, 0, "first")
        return run_id

    def sample(
        self,
        x: Floats,
        ids: Sequence[bytes],
        first_ms: int = FIRST_MS,
        y: Sequence[float] | None = None,
        schema: Schema = SCHEMA,
        records: Sequence[int] | None = None,
    ) -> None:
        """Rows as the monitor writes them with a window; unless ``records`` numbers them, behind all before."""
        positions = np.zeros((len(x), 4), dtype=np.int64)
        positions[:, 0] = first_ms + np.arange(len(x))
        own = np.full(len(x), np.nan) if y is None else np.array(y, dtype=np.float64)
        numbers = self._records + np.arange(len(x)) if records is None else np.array(records, dtype=np.int64)
        self._records = int(numbers[-1]) + 1
        block = SampleBlock(next(self._windows), schema.fingerprint, x, own, list(ids), positions, numbers)
        for fields in block.encode():
            self.connection.call("XADD", self.keys.samples, "*", *fields)

    def monitor_has_read(self, entry_id: bytes = END) -> None:
        """The monitor's marker on the labels stream stands at an entry, as a rule behind all that ever come."""
        with contextlib.suppress(ServerError):  # it is there
            self.connection.call("XGROUP", "CREATE", self.keys.labels, MONITORS, "0", "MKSTREAM")
        self.connection.call("XGROUP", "SETID", self.keys.labels, MONITORS, entry_id)

    def label(self, ids: Sequence[bytes], y: Sequence[float] | Labels) -> None:
        """Labels in one block."""
        values = np.array(y, dtype="<f8").tobytes()
        self.connection.call("XADD", self.keys.labels, "*", "_ids", b"\n".join(ids), "_y", values)

    def plain_label(self, *fields: str | bytes) -> bytes:
        """Any fields on the labels stream; the entry's id."""
        return bytes(self.connection.call("XADD", self.keys.labels, "*", *fields))

    def drifted(
        self,
        labels: int,
        n: int = 400,
        shift: float = SHIFT,
        prefix: str = "d",
        first_ms: int = FIRST_MS,
    ) -> tuple[list[bytes], Labels]:
        """``n`` rows behind the drift, the first ``labels`` of them labelled; ids and classes."""
        x, y = self.draw(n, shift, seed=1)
        ids = [f"{prefix}{number}".encode() for number in range(n)]
        self.sample(x, ids, first_ms)
        if labels:
            self.label(ids[:labels], y[:labels])
        return ids, y

    def window(self, episode: int | None, number: int = 3) -> None:
        """A closed window on the drift stream."""
        window = DriftWindow(
            window=number,
            state="drift" if episode is not None else "ok",
            detector="headline",
            score=1.0,
            threshold=0.1,
            n=100,
            skipped=0,
            first="d0",
            last="d99",
            first_entry=f"{FIRST_MS}-0",
            last_entry=f"{FIRST_MS + 99}-0",
            model=self.production,
            p_mean=0.9,
            z={"a": 4.0, "b": 0.0},
            blame=["a", "b"],
            constant_changed={},
            episode=episode,
        )
        self.connection.call("XADD", self.keys.drift, "*", *encode_fields(window))

    def drift_event(
        self,
        since_ms: int = FIRST_MS,
        model: str | None = None,
        episode: int = 3,
        reason: RetrainReason = "drift",
    ) -> bytes:
        """A drift: its window, and the retrain event; the event's id."""
        self.window(episode)
        event = RetrainEvent(
            reason=reason,
            model=model or self.production,
            window=3,
            episode=episode,
            since=f"{since_ms}-0",
            first="d0",
            score=1.0,
            threshold=0.1,
            blame=["a", "b"],
            z={"a": 4.0, "b": 0.0},
        )
        return self.event(event)

    def event(self, event: RetrainEvent) -> bytes:
        """Any retrain event; its id."""
        return bytes(self.connection.call("XADD", self.keys.retrain, "*", *encode_fields(event)))

    def trainer(self, **changes: Any) -> Trainer:
        """A trainer, not started; the test turns it or lets it run."""
        trainer = Trainer(msgspec.structs.replace(self.settings, **changes))
        self.trainers.append(trainer)
        return trainer

    def started(self, **changes: Any) -> Trainer:
        """A trainer whose steps the test turns."""
        trainer = self.trainer(**changes)
        trainer.start()
        return trainer

    @contextlib.contextmanager
    def running(self, trainer: Trainer) -> Iterator[None]:
        """The trainer's own loop, in a thread."""
        self.trainers.remove(trainer)
        thread = threading.Thread(target=trainer.run, name="trainer")
        thread.start()
        try:
            yield
        finally:
            trainer.stopping.set()
            thread.join(30)
            assert not thread.is_alive()

    def next_promotion(self, after: bytes = b"0-0") -> Entry:
        """Wait for a promotion behind ``after``."""
        for _ in range(20):
            reply = self.connection.call("XREAD", "BLOCK", 2_000, "STREAMS", self.keys.promotions, after)
            for entries in streams_of(reply).values():
                return entries[0]
        raise AssertionError("nothing was promoted in 40 s")

    def pending(self) -> int:
        """Retrain events that are handed out and not answered."""
        return int(self.connection.call("XPENDING", self.keys.retrain, TRAINERS)[0])

    def unread(self) -> int:
        """Retrain events that were not handed out."""
        groups = [field_map(group) for group in self.connection.call("XINFO", "GROUPS", self.keys.retrain)]
        return int(groups[0][b"lag"])

    def unmatched(self) -> list[dict[bytes, bytes]]:
        """What could not be used, oldest first."""
        reply = self.connection.call("XRANGE", self.keys.unmatched, "-", "+")
        return [field_map(entry.fields) for entry in entries_of(reply)]

    def answers(self) -> list[Run]:
        """The runs that answered events, oldest first."""
        runs = [self.miniflow.run(summary.run_id) for summary in self.miniflow.runs()]
        return [run for run in reversed(runs) if "event_id" in run.params]

    def outcomes(self) -> list[str | None]:
        """How the answers ended, oldest first."""
        return [run.meta.outcome for run in self.answers()]


@pytest.fixture
def stage(server_url: str, connection: Connection, pipeline: str, tmp_path: Path) -> Iterator[Stage]:
    settings = Settings(
        redis_url=server_url,
        pipeline=pipeline,
        miniflow=str(tmp_path / "miniflow"),
        http_port=0,
        min_labelled_rows=100,
        takeover_idle_ms=1,
    )
    made = Stage(connection, settings)
    yield made
    for trainer in made.trainers:
        trainer.close()
        trainer.http.close()


@pytest.fixture(autouse=True)
def _quick_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little simulation: these tests are about what is trained and promoted, not about false alarms."""
    monkeypatch.setattr("core.drift.calibration.BLOCKS", QUICK_BLOCKS)
