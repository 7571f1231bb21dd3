"""Promote: change production by compare-and-set on its epoch."""

from __future__ import annotations

from core.connection import Connection
from core.errors import Superseded
from core.keys import TRAINERS, PipelineKeys
from core.model_file import ModelFile
from core.registry import Production
from core.scripts.script import Script

_script = Script("promote")


def promote(
    connection: Connection,
    keys: PipelineKeys,
    run_id: str,
    model: ModelFile,
    expected_epoch: int,
    reason: str,
    event_id: bytes = b"",
    decision: bytes = b"",
) -> Production:
    """Store the model, point production at it, tell the promotions stream, acknowledge the retrain event.

    Raises
    ------
    Superseded
        Production is not at ``expected_epoch`` any more; nothing was changed.
    """
    reply = _script.run(
        connection,
        (keys.production, keys.promotions, keys.models, keys.retrain),
        (expected_epoch, run_id, model.sha256, model.encoded, reason, TRAINERS, event_id, decision),
    )
    if not reply[0]:
        raise Superseded(f"production is at epoch {reply[1]}, not {expected_epoch}; look again and decide anew")
    return Production(run_id, reply[1].decode() or None, int(reply[2]), int(reply[3]))
