"""The parts of the bench by name, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable

from bench.drift import delay_part, in_control_parts, peers_part, shape_part, speed
from bench.drift.run import DriftRun

PARTS: dict[str, Callable[[DriftRun], None]] = {
    "known_truth": in_control_parts.known_truth,
    "estimated": in_control_parts.estimated,
    "estimated_default": in_control_parts.estimated_default,
    "autocorrelated": in_control_parts.autocorrelated,
    "delays": delay_part.measure,
    "shapes": shape_part.measure,
    "peers": peers_part.measure,
    "speed": speed.measure,
}
