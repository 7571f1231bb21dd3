"""Scheduled retraining: an event when production has been left alone for long enough."""

from __future__ import annotations

from pathlib import Path

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.fields import encode_fields
from core.keys import PipelineKeys
from core.scripts.script import Script

_script = Script("schedule_retrain", Path(__file__).parent)


def schedule_retrain(connection: Connection, keys: PipelineKeys, production: str, every_s: float) -> bytes | None:
    """Write a ``scheduled`` event if the newest event and promotion are older than ``every_s``.

    The server's clock counts. Returns the event's id, or None where it is not due; of two trainers that ask at
    once, one writes.
    """
    event = RetrainEvent(reason="scheduled", model=production)
    arguments: list[int | bytes] = [round(every_s * 1000), *encode_fields(event)]
    reply = _script.run(connection, (keys.retrain, keys.promotions), arguments)
    return None if reply is None else bytes(reply)
