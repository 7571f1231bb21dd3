"""Prune: model files that are neither in use nor recent go, in one step with the look at what is in use."""

from __future__ import annotations

from core.connection import Connection
from core.keys import PipelineKeys
from core.scripts.script import Script

_script = Script("prune_models")


def prune_models(connection: Connection, keys: PipelineKeys, keep: int) -> int:
    """Delete model files but production's, previous' and the newest ``keep`` promotions'; returns how many."""
    return int(_script.run(connection, (keys.production, keys.promotions, keys.models), (keep,)))
