"""Pushes the demo's rows, good and bad, and labels; waits until each record has its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from rich.console import Console

from producer.client import Producer
from streamgauge.demo import pictures
from streamgauge.demo.collector import Collector
from streamgauge.demo.stage import Pass, Stage

#: Records a second: slow enough to watch, fast enough to stay awake.
RATE = 2_000
BLOCK_ROWS = 25
#: Records that a careless client sends; see :meth:`Pusher.push_garbage`.
GARBAGE = 3
#: Longest wait for any one thing to happen, on a slow machine.
PATIENCE_S = 60.0


class Pusher:
    """The demo's client, in both forms.

    Parameters
    ----------
    redis_url, pipeline
        Where to.
    stage
        The rows.
    collector
        Gathers the answers.
    alive
        Whether the services still run; waiting ends when they do not.
    """

    def __init__(
        self,
        redis_url: str,
        pipeline: str,
        stage: Stage,
        collector: Collector,
        alive: Callable[[], bool],
        console: Console,
    ) -> None:
        self._stage = stage
        self._collector = collector
        self._alive = alive
        self._console = console
        self._blocks = Producer(redis_url, pipeline, block=True, batch_rows=BLOCK_ROWS)
        self._plain = Producer(redis_url, pipeline)
        self._pace = threading.Event()
        self.pushed = 0

    def push_garbage(self) -> None:
        """What a careless client sends: it must come back rejected, whole, and stop nothing."""
        first, *rest = self._stage.table.features
        good = dict(zip(self._stage.table.features, self._stage.table.x[0].tolist(), strict=True))
        self._plain.send({**good, first: "87,524"}, id="garbage-000000")
        self._plain.send({**good, first: "nan"}, id="garbage-000001")
        self._plain.send({name: good[name] for name in rest}, id="garbage-000002")
        self._plain.flush()
        self.pushed += GARBAGE

    def push_until(self, records: int, phase: str, factor: float) -> list[Pass]:
        """Whole passes until so many records were pushed and answered."""
        passes: list[Pass] = []
        while sum(len(made.ids) for made in passes) < records:
            passes.append(self.push_pass(phase, factor))
        return passes

    def push_pass(self, phase: str, factor: float) -> Pass:
        """One pass: its first records plain, the rest as blocks, at a steady rate; then wait for the answers."""
        made = self._stage.make_pass(phase, factor)
        features = self._stage.table.features
        with pictures.progress(self._console, f"pushing {phase}", len(made.ids)) as advance:
            for row, record_id in zip(made.x[:BLOCK_ROWS].tolist(), made.ids[:BLOCK_ROWS], strict=True):
                self._plain.send(dict(zip(features, row, strict=True)), id=record_id)
            self._plain.flush()
            advance(BLOCK_ROWS)
            for start in range(BLOCK_ROWS, len(made.ids), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                self._blocks.send_rows(made.x[part], ids=made.ids[part])
                advance(len(made.ids[part]))
                self._pace.wait(BLOCK_ROWS / RATE)
        self.pushed += len(made.ids)
        self._collector.wait_for_answers(self.pushed, PATIENCE_S, self._alive)
        return made

    def send_labels(self, made: Pass) -> int:
        """The truth about a pass becomes known, but for the held-out rows; returns how many labels that is."""
        chosen = [index for index, row in enumerate(made.rows) if not self._stage.held_out[row]]
        truth = self._stage.table.y[made.rows[chosen]].astype(np.float64)
        self._blocks.send_labels([made.ids[index] for index in chosen], truth)
        self._blocks.flush()
        return len(chosen)

    def close(self) -> None:
        """Let go of the server."""
        self._blocks.close()
        self._plain.close()
