"""Turning a trainer by hand, and counting what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.service import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.trainer.conftest import Stage

FIRST_MS = 1_700_000_000_000


def until(service: Trainer, reached: Callable[[], bool], steps: int = 40) -> None:
    """Turn a trainer; each step waits on the stream for half a second at most."""
    for _ in range(steps):
        if reached():
            return
        service._next_look_s = 0.0
        service.step()
    assert reached()


def misleading(stage: Stage) -> None:
    """A drift event with 200 labels; those that train say the opposite of those that judge."""
    ids, y = stage.drifted(labels=0, n=200, shift=0.0)
    stage.label(ids[:160], 1 - y[:160])
    stage.label(ids[160:], y[160:])
    stage.drift_event()


def counted(service: Trainer, outcome: str) -> float | None:
    pipeline = service.settings.pipeline
    name = "streamgauge_training_runs_total"
    return service.telemetry.registry.get_sample_value(name, {"pipeline": pipeline, "outcome": outcome})
