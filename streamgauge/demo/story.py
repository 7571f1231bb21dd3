"""The demo's story, told on the real services: train, stream, drift, alert, label, retrain, promote."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.errors import UsageError
from core.keys import PipelineKeys
from core.settings import load_settings
from streamgauge.demo import pictures
from streamgauge.demo.collector import Collector
from streamgauge.demo.pusher import GARBAGE, Pusher
from streamgauge.demo.row_file import LABEL, POSITIVE
from streamgauge.demo.stage import Pass, Stage, set_stage
from streamgauge.demo.witness import Witness
from streamgauge.embedded_server import EmbeddedServer
from streamgauge.local_pipeline import LocalPipeline
from streamgauge.workspace import FOLDER, locked
from trainer.commands import fit_table

#: Records a window of the demo; its data set has 900 rows.
WINDOW_RECORDS = 200
#: Scorers that share the stream.
SCORERS = 2
#: Whole passes of drifted rows after which the demo gives up waiting for an alarm.
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

    def __post_init__(self) -> None:
        if self.records < 1:
            raise UsageError(f"--records is {self.records}; choose at least 1")
        if self.seed < 0:
            raise UsageError(f"--seed is {self.seed}; choose 0 or more")
        if not 0.1 <= self.drift <= 10 or self.drift == 1:
            raise UsageError(f"--drift is {self.drift}; choose a factor from 0.1 to 10 but not 1, such as 1.25")


class Demo:
    """One telling of the story; each step raises a sentence if it did not happen."""

    def __init__(self, options: DemoOptions, console: Console) -> None:
        self._options = options
        self._console = console
        self._keys = PipelineKeys(_PIPELINE)
        self._directory = FOLDER / "demo"
        self._miniflow = (self._directory / "miniflow").resolve()

    def run(self) -> None:
        """Tell it from beginning to end.

        Raises
        ------
        StreamgaugeError
            A step did not happen.
        """
        began_s = time.monotonic()
        with locked("demo"):
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory.mkdir(parents=True)
            stage = set_stage(self._options.data, self._options.seed, self._directory)
            pictures.show_data(self._console, stage, drawn=self._options.data is None)
            first_run = self._train(stage)
            with EmbeddedServer(self._directory / "valkey") as server:
                self._stream(stage, first_run, server.url)
        seconds = time.monotonic() - began_s
        self._console.print(f"[dim]told in {seconds:.0f} s; all of it is under {self._directory}/[/]")

    def _train(self, stage: Stage) -> str:
        options = {"pipeline": _PIPELINE, "miniflow": str(self._miniflow), "seed": self._options.seed}
        settings = load_settings(options, environment={}, directory=self._directory)
        report = fit_table(stage.csv_path, LABEL, POSITIVE, settings)
        pictures.show_training(self._console, report)
        return report.run_id

    def _stream(self, stage: Stage, first_run: str, redis_url: str) -> None:
        """The part of the story in which everything runs."""
        options: dict[str, object] = {
            "pipeline": _PIPELINE,
            "miniflow": self._miniflow,
            "seed": self._options.seed,
            "window_records": WINDOW_RECORDS,
            "retrain_cooldown_s": 5,
        }
        pipeline = LocalPipeline(
            redis_url, self._directory, scorers=SCORERS, options=options, first_http_port=0, shielded=True
        )
        collector = Collector(redis_url, self._keys.partition(0))
        with collector, pipeline.start(), Connection(redis_url) as connection:
            pictures.show_services(self._console, pipeline, self._options.show_addresses)
            witness = Witness(connection, self._keys, self._miniflow, pipeline)
            pusher = Pusher(redis_url, _PIPELINE, stage, collector, witness.alive, self._console)
            self._play(stage, first_run, collector, pusher, witness)
            pusher.close()
            pipeline.stop()
            collector.catch_up()
        self._close_the_books(pusher.pushed, collector)

    def _play(self, stage: Stage, first_run: str, collector: Collector, pusher: Pusher, witness: Witness) -> None:
        """Every step, in order."""
        factor = self._options.drift
        pusher.push_garbage()
        before = pusher.push_until(self._options.records, "normal", 1.0)
        pictures.show_predictions(self._console, collector, before[0], stage.table.features)
        self._console.print(f"\n[bold]The camera moves:[/] lengths × {factor:g}, areas × {factor * factor:g}")
        during = self._drift(pusher, witness)
        labels = pusher.send_labels(during[-1])
        hidden = len(during[-1].ids) - labels
        self._console.print(f"{labels} labels arrive; {hidden} rows stay hidden to judge the models by")
        promoted = witness.await_promotion(first_run)
        pictures.show_promotion(self._console, promoted.run_id, promoted.detail)
        witness.await_new_model(promoted.run_id)
        after = pusher.push_until(len(stage.table.x), "after", factor)
        pictures.show_accuracies(
            self._console,
            [
                ("before the drift", first_run, *stage.accuracy(collector, before, first_run)),
                ("during the drift", first_run, *stage.accuracy(collector, during, first_run)),
                ("after the promotion", promoted.run_id, *stage.accuracy(collector, after, promoted.run_id)),
            ],
        )

    def _drift(self, pusher: Pusher, witness: Witness) -> list[Pass]:
        """Push drifted rows until there is an alarm, and nearly a whole pass lies behind its first suspicion."""
        passes: list[Pass] = []
        event: RetrainEvent | None = None
        while event is None or not _behind(passes[-1], event):
            if len(passes) >= MOST_PASSES:
                factor = self._options.drift
                raise UsageError(
                    f"no alarm within {MOST_PASSES} passes; a drift of {factor:g} is too subtle for this"
                )
            passes.append(pusher.push_pass("drifted", self._options.drift))
            if event is None:
                event = witness.newest_event()
        alarm = witness.alarm(event.window)
        pictures.show_alert(self._console, alarm, drifted_before(alarm.record))
        return passes

    def _close_the_books(self, pushed: int, collector: Collector) -> None:
        counts = pictures.Counts(
            pushed=pushed,
            scored=len(collector.predictions),
            rejected=len(collector.rejected),
            duplicated=collector.duplicated,
            lost=pushed - len(collector.answers),
        )
        pictures.show_counts(self._console, counts, collector.rejected)
        if counts.lost or counts.duplicated or counts.rejected != GARBAGE:
            raise UsageError(
                f"{counts.lost} records were lost, {counts.duplicated} doubled, {counts.rejected} rejected "
                f"instead of {GARBAGE}; see the logs"
            )


def _behind(made: Pass, event: RetrainEvent) -> bool:
    """Whether at most a tenth of a pass came before the first suspected record, which training begins with."""
    first = event.first or ""
    before = sum(record_id < first for record_id in made.ids) if first.startswith("drifted-") else 0
    return before <= 0.1 * len(made.ids)


def drifted_before(record_id: str) -> int:
    """How many drifted records had come when this one did; 0 for a record from before the drift.

    >>> drifted_before("drifted-000399")
    400
    """
    phase, _, number = record_id.rpartition("-")
    return int(number) + 1 if phase == "drifted" else 0
