"""Ask for a retraining because of alerts: looked up, written and remembered in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.fields import encode_fields
from core.keys import PipelineKeys
from core.registry import Production
from core.scripts.script import Script

#: How long an alert is remembered after it was last said. Alertmanager and Grafana say a lasting one again after
#: their repeat interval, 4 h unless set; a week is past any that makes sense.
REMEMBERED_MS = 7 * 24 * 3600 * 1000

_script = Script("ask_retraining", shared=("asked",))

#: ``written``: there is a new event; ``coalesced``: an event stood for it already; ``cooldown``: one was written a
#: short time ago.
AskedOutcome = Literal["written", "coalesced", "cooldown"]


class AskingAlert(NamedTuple):
    """An alert as it is remembered: the same fingerprint and start is the same alert."""

    fingerprint: str
    started_ms: int


class Asked(NamedTuple):
    """What became of alerts."""

    outcome: AskedOutcome | None  #: of the new ones; None: there are none
    event_id: str | None  #: the retrain event that stands for them
    new: int
    told_before: int
    outdated: int  #: began before the model in production was promoted


def ask_retraining(
    connection: Connection,
    keys: PipelineKeys,
    production: Production,
    event: RetrainEvent,
    alerts: Sequence[AskingAlert],
    cooldown_ms: int,
) -> Asked:
    """Write one retrain event for all new ones of ``alerts``, unless one stands for them already.

    The script adds to the ``event`` the open episode. One stands for them that was written for that, or for the
    same model and is not answered yet. If ``production`` has changed since the caller read it, the trainer answers
    that the event is about another model; the alerts would have been too old a moment later.
    """
    fields = encode_fields(msgspec.structs.replace(event, model=production.run_id))
    arguments: list[str | bytes | int] = [production.run_id, production.updated_ts_ms, cooldown_ms, REMEMBERED_MS]
    arguments += [len(fields), *fields, *(alert.started_ms for alert in alerts)]
    places = (keys.monitor, keys.retrain, *(keys.alert(*alert) for alert in alerts))
    outcome, event_id, *counts = _script.run(connection, places, arguments)
    return Asked(
        msgspec.convert(outcome.decode() or None, AskedOutcome | None), event_id.decode() or None, *counts
    )
