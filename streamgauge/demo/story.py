"""The demo's story, told on the real services: train, stream, drift, alert, label, retrain, promote."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console

from core.connection import MAX_BLOCK_MS, Connection
from core.drift_window import DriftWindow, RetrainEvent
from core.entry import entries_of, streams_of
from core.errors import UsageError
from core.fields import decode_fields
from core.keys import PipelineKeys
from core.miniflow import MiniFlow
from core.redis_registry import RedisRegistry
from core.settings import load_settings
from producer.client import Producer
from streamgauge.demo import pictures
from streamgauge.demo.collector import Collector
from streamgauge.demo.stage import LABEL, POSITIVE, Pass, Stage, set_stage
from streamgauge.embedded_server import EmbeddedServer
from streamgauge.local_pipeline import LocalPipeline
from streamgauge.workspace import FOLDER
from trainer.commands import fit_table

#: Records a window of the demo; its data set has 900 rows.
WINDOW_RECORDS = 200
#: Scorers that share the stream.
SCORERS = 2
#: Records a second: slow enough to watch, fast enough to stay awake.
RATE = 2_000
BLOCK_ROWS = 25
#: Longest wait for any one thing to happen, on a slow machine.
PATIENCE_S = 60.0
#: Whole passes of drifted rows after which the demo gives up waiting for an alert.
MOST_PASSES = 20
_PIPELINE = "demo"


@dataclass(frozen=True)
class DemoOptions:
    """What a person may choose."""

    data: Path | None = None
    records: int = 1_800  #: pushed before the drift, in whole passes over the data
    seed: int = 1
    drift: float = 1.25  #: factor by which lengths grow
    show_addresses: bool = True


class Demo:
    """One telling of the story; each step raises a sentence if it did not happen."""

    def __init__(self, options: DemoOptions, console: Console) -> None:
        if options.records < 1:
            raise UsageError(f"--records is {options.records}; choose at least 1")
        if not 0.1 <= options.drift <= 10 or options.drift == 1:
            raise UsageError(
                f"--drift is {options.drift}; choose a factor from 0.1 to 10 other than 1, such as 1.25"
            )
        self._options = options
        self._console = console
        self._keys = PipelineKeys(_PIPELINE)
        self._directory = FOLDER / "demo"

    def run(self) -> None:
        """Tell it from beginning to end.

        Raises
        ------
        StreamgaugeError
            A step did not happen.
        """
        began_s = time.monotonic()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(parents=True)
        stage = set_stage(self._options.data, self._options.seed, self._directory)
        pictures.show_data(self._console, stage, drawn=self._options.data is None)
        first_run = self._train(stage)
        with EmbeddedServer(self._directory / "valkey") as server:
            options: dict[str, object] = {
                "pipeline": _PIPELINE,
                "miniflow": self._directory / "miniflow",
                "seed": self._options.seed,
                "window_records": WINDOW_RECORDS,
                "retrain_cooldown_s": 5,
            }
            pipeline = LocalPipeline(
                server.url, self._directory, scorers=SCORERS, options=options, first_http_port=0
            )
            with (
                Connection(server.url) as connection,
                pipeline.start(),
                Collector(server.url, self._keys.partition(0)) as collector,
            ):
                pictures.show_services(self._console, pipeline, self._options.show_addresses)
                act = _Act(
                    self._console, self._options, self._keys, stage, connection, server.url, collector, pipeline
                )
                act.play(first_run)
        self._console.print(
            f"[dim]told in {time.monotonic() - began_s:.0f} s; all of it is under {self._directory}/[/]"
        )

    def _train(self, stage: Stage) -> str:
        settings = load_settings(
            {
                "pipeline": _PIPELINE,
                "miniflow": str(self._directory / "miniflow"),
                "seed": self._options.seed,
            },
            environment={},
            directory=self._directory,
        )
        report = fit_table(stage.csv_path, LABEL, POSITIVE, settings)
        pictures.show_training(self._console, report)
        return report.run_id


class _Act:
    """The part of the story in which everything runs."""

    def __init__(
        self,
        console: Console,
        options: DemoOptions,
        keys: PipelineKeys,
        stage: Stage,
        connection: Connection,
        redis_url: str,
        collector: Collector,
        pipeline: LocalPipeline,
    ) -> None:
        self._console = console
        self._options = options
        self._keys = keys
        self._stage = stage
        self._connection = connection
        self._collector = collector
        self._pipeline = pipeline
        self._producer = Producer(redis_url, _PIPELINE, block=True, batch_rows=BLOCK_ROWS)
        self._plain_producer = Producer(redis_url, _PIPELINE)
        self._pushed = 0
        self._pace = threading.Event()

    def play(self, first_run: str) -> None:
        """Every step, in order."""
        self._push_garbage()
        before = self._push_until(self._options.records, "normal", 1.0)
        pictures.show_predictions(self._console, self._collector, before[0], self._stage.table.features)
        during, event = self._drift()
        self._send_labels(during[-1])
        new_run = self._await_promotion(first_run)
        self._await_new_model(new_run)
        after = self._push_until(len(self._stage.table.x), "after", self._options.drift)
        pictures.show_accuracies(
            self._console,
            [
                ("before the drift", *self._stage.accuracy(self._collector, before, first_run)),
                ("during the drift", *self._stage.accuracy(self._collector, during, first_run)),
                ("after the promotion", *self._stage.accuracy(self._collector, after, new_run)),
            ],
            first_run,
            new_run,
        )
        self._producer.close()
        self._plain_producer.close()
        self._close_the_books(event)

    def _push_garbage(self) -> None:
        """What a careless client sends: it must come back rejected, whole, and stop nothing."""
        first, *rest = self._stage.table.features
        good = dict(zip(self._stage.table.features, self._stage.table.x[0].tolist(), strict=True))
        self._plain_producer.send({**good, first: "87,524"}, id="garbage-000000")
        self._plain_producer.send({**good, first: "nan"}, id="garbage-000001")
        self._plain_producer.send({name: good[name] for name in rest}, id="garbage-000002")
        self._plain_producer.flush()
        self._pushed += 3

    def _push_until(self, records: int, phase: str, factor: float) -> list[Pass]:
        """Whole passes until so many records were pushed and answered."""
        passes: list[Pass] = []
        while sum(len(made.ids) for made in passes) < records:
            passes.append(self._push(self._stage.make_pass(phase, factor)))
        return passes

    def _push(self, made: Pass) -> Pass:
        """One pass: its first records plain, the rest as blocks, at a steady rate; then wait for the answers."""
        plain = BLOCK_ROWS
        with pictures.progress(self._console, f"pushing {made.phase}", len(made.ids)) as advance:
            for row, record_id in zip(made.x[:plain].tolist(), made.ids[:plain], strict=True):
                self._plain_producer.send(dict(zip(self._stage.table.features, row, strict=True)), id=record_id)
            self._plain_producer.flush()
            advance(plain)
            for start in range(plain, len(made.ids), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                self._producer.send_rows(made.x[part], ids=made.ids[part])
                advance(len(made.ids[part]))
                self._pace.wait(BLOCK_ROWS / RATE)
        self._pushed += len(made.ids)
        self._collector.wait_for_answers(self._pushed, PATIENCE_S, self._alive)
        return made

    def _drift(self) -> tuple[list[Pass], RetrainEvent]:
        """Push drifted rows until there is an alert, and one whole pass lies behind its first suspicion."""
        factor = self._options.drift
        self._console.print(f"\n[bold]The camera moves:[/] lengths × {factor:g}, areas × {factor * factor:g}")
        passes: list[Pass] = []
        event: RetrainEvent | None = None
        while event is None or not self._behind(passes[-1], event):
            if len(passes) >= MOST_PASSES:
                raise UsageError(
                    f"no alert within {MOST_PASSES} passes; a drift of {factor:g} is too subtle for this"
                )
            passes.append(self._push(self._stage.make_pass("drifted", factor)))
            event = event or self._newest_event()
        window = self._window(event.window or 0)
        pictures.show_alert(self._console, event, window, drifted_before(window.last))
        return passes, event

    def _behind(self, made: Pass, event: RetrainEvent) -> bool:
        """Whether a pass began at or after the first suspected record (or the drift itself did)."""
        first = (event.first or "").removesuffix("-")
        return not first.startswith("drifted-") or first <= made.ids[0]

    def _newest_event(self) -> RetrainEvent | None:
        """The retrain event, waiting for the window that the newest records may have closed."""
        reply = self._connection.call(
            "XREAD", "COUNT", 1, "BLOCK", MAX_BLOCK_MS, "STREAMS", self._keys.retrain, "0-0"
        )
        entries = [entry for found in streams_of(reply).values() for entry in found]
        return decode_fields(entries[0], RetrainEvent) if entries else None

    def _window(self, number: int) -> DriftWindow:
        entries = entries_of(self._connection.call("XRANGE", self._keys.drift, "-", "+"))
        return next(
            window
            for window in (decode_fields(entry, DriftWindow) for entry in entries)
            if window.window == number
        )

    def _send_labels(self, made: Pass) -> None:
        """The truth about the drifted rows becomes known; that of the held-out rows stays hidden."""
        chosen = [index for index, row in enumerate(made.rows) if not self._stage.held_out[row]]
        self._producer.send_labels(
            [made.ids[index] for index in chosen], self._stage.table.y[made.rows[chosen]].astype(np.float64)
        )
        self._producer.flush()
        hidden = len(made.ids) - len(chosen)
        self._console.print(f"{len(chosen)} labels arrive; {hidden} rows stay hidden to judge the models by")

    def _await_promotion(self, first_run: str) -> str:
        """Wait for the trainer's answer: the new run, or the sentence with which it refused."""
        registry = RedisRegistry(self._connection, self._keys)
        production = registry.production()
        last, deadline_s = "$", time.monotonic() + PATIENCE_S
        while production is None or production.run_id == first_run:
            if time.monotonic() > deadline_s or not self._alive():
                raise UsageError(f"no promotion: {self._newest_refusal()}")
            self._connection.call("XREAD", "BLOCK", 500, "STREAMS", self._keys.promotions, last)
            production = registry.production()
        pictures.show_promotion(self._console, production.run_id, self._verdict(production.run_id))
        return production.run_id

    def _verdict(self, run_id: str) -> str:
        """Why a run was promoted; the trainer writes it down right after the promotion."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (meta := self._directory_of_runs().run(run_id).meta).outcome != "promoted":
            if time.monotonic() > deadline_s:
                raise UsageError("the trainer did not record its promotion; see its log")
            self._pace.wait(0.05)
        return meta.detail

    def _newest_refusal(self) -> str:
        runs = self._directory_of_runs().runs()
        return runs[0].meta.detail if runs and runs[0].meta.outcome != "promoted" else "the trainer gave no answer"

    def _await_new_model(self, run_id: str) -> None:
        """Ask every scorer over HTTP until it answers with the new model."""
        record = dict(zip(self._stage.table.features, self._stage.table.x[0].tolist(), strict=True))
        deadline_s = time.monotonic() + PATIENCE_S
        for service in self._pipeline.services:
            while service.module == "scorer" and _predict(service.http, record).get("model") != run_id:
                if time.monotonic() > deadline_s:
                    raise UsageError(f"a scorer does not take the new model; see {service.log_path}")
                self._pace.wait(0.05)

    def _close_the_books(self, event: RetrainEvent) -> None:
        lost = self._pushed - len(self._collector.answers)
        counts = pictures.Counts(
            pushed=self._pushed,
            scored=len(self._collector.predictions),
            rejected=len(self._collector.rejected),
            duplicated=self._collector.duplicated,
            lost=lost,
        )
        pictures.show_counts(self._console, counts, self._collector.rejected)
        if counts.lost or counts.duplicated:
            raise UsageError(f"{counts.lost} records were lost and {counts.duplicated} doubled; see the logs")
        if not event.blame:
            raise UsageError("the alert blamed no feature; see the monitor's log")

    def _directory_of_runs(self) -> MiniFlow:
        return MiniFlow(FOLDER / "demo" / "miniflow", _PIPELINE)

    def _alive(self) -> bool:
        return all(service.running() for service in self._pipeline.services)


def drifted_before(record_id: str) -> int:
    """How many drifted records had come when this one did; 0 for a record from before the drift.

    >>> drifted_before("drifted-000399")
    400
    """
    phase, _, number = record_id.rpartition("-")
    return int(number) + 1 if phase == "drifted" else 0


def _predict(url: str, record: dict[str, float]) -> dict[str, object]:
    request = urllib.request.Request(f"{url}/predict", msgspec.json.encode(record), method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  (our own scorer on loopback)
            return dict(json.loads(answer.read()))
    except (urllib.error.URLError, TimeoutError):
        return {}
