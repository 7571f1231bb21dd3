"""Promote: change production by compare-and-set on its epoch."""

from __future__ import annotations

from dataclasses import dataclass

from core.connection import Connection
from core.errors import Superseded
from core.keys import TRAINERS, PipelineKeys
from core.model_file import ModelFile
from core.registry import Production
from core.scripts.script import Script

_script = Script("promote")


@dataclass(frozen=True)
class AnsweredEvent:
    """The retrain event that a promotion answers, and how its caller knows that nobody else has answered it."""

    event_id: bytes
    note_field: bytes = b"attempt"  #: field of the production hash where attempts at events are noted
    note: bytes = b""  #: its value when the answer was begun


def promote(
    connection: Connection,
    keys: PipelineKeys,
    run_id: str,
    model: ModelFile,
    expected_epoch: int,
    reason: str,
    event: AnsweredEvent | None = None,
    decision: bytes = b"",
) -> Production:
    """Store the model, point production at it, tell the promotions stream, acknowledge the retrain event.

    Raises
    ------
    Superseded
        Production is not at ``expected_epoch`` any more, or the ``event`` was answered meanwhile; nothing was
        changed.
    """
    answered = event or AnsweredEvent(b"")
    reply = _script.run(
        connection,
        (keys.production, keys.promotions, keys.models, keys.retrain),
        (
            *(expected_epoch, run_id, model.sha256, model.encoded, reason, TRAINERS, answered.event_id, decision),
            *(answered.note_field, answered.note),
        ),
    )
    if reply[0] < 0:
        raise Superseded(
            f"another trainer answered event {answered.event_id.decode()} meanwhile, and each is answered once"
        )
    if not reply[0]:
        raise Superseded(f"production is at epoch {reply[1]}, not {expected_epoch}; look again and decide anew")
    return Production(run_id, reply[1].decode() or None, int(reply[2]), int(reply[3]))
