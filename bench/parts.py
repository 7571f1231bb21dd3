"""The parts of the bench by name, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable

from bench import (
    full_path,
    growth,
    latency,
    loaded_latency,
    memory,
    predict_api,
    producer_speed,
    profile_split,
    rollback,
    start_up,
    takeover,
)
from bench.run import Run

PARTS: dict[str, Callable[[Run], None]] = {
    "full_path": full_path.measure,
    "latency": latency.measure,
    "loaded_latency": loaded_latency.measure,
    "producer": producer_speed.measure,
    "growth": growth.measure,
    "memory": memory.measure,
    "start_up": start_up.measure,
    "takeover": takeover.measure,
    "rollback": rollback.measure,
    "predict_api": predict_api.measure,
    "profile": profile_split.measure,
}
