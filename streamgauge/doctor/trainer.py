"""The check of who answers retrain events."""

from __future__ import annotations

from collections.abc import Iterator

from core.connection import Connection, ServerError
from core.entry import entries_of, field_map, parse_entry_id
from core.keys import TRAINERS, PipelineKeys
from streamgauge.doctor.finding import Finding

#: An event that no trainer took for so long: one that is busy with another has long been done.
LATE_S = 600.0


def check_trainer(connection: Connection, keys: PipelineKeys) -> Iterator[Finding]:
    """Somebody answers retrain events, if there are any."""
    delivered = _delivered(connection, keys.retrain)
    if delivered is None:
        yield Finding(
            "ok",
            "trainer",
            "no trainer has run in this pipeline, so an alert leads to no new model",
            "start one with python -m trainer, if it should",
        )
        return
    after = str(parse_entry_id(delivered).after)
    unread = entries_of(connection.call("XRANGE", keys.retrain, after, "+", "COUNT", 1))
    if not unread:
        yield Finding("ok", "trainer", "no retrain event waits for a trainer")
        return
    age_s = max(0, connection.now_ms(keys.retrain) - parse_entry_id(unread[0].id).ms) / 1000
    what = f"retrain event {unread[0].id.decode()} waits for a trainer since {age_s:,.0f} s"
    if age_s > LATE_S:
        yield Finding("warn", "trainer", what, "look at the trainer's log, or start one with python -m trainer")
    else:
        yield Finding("ok", "trainer", what)


def _delivered(connection: Connection, stream: str) -> bytes | None:
    """The last id that the trainers' group was given; None where it has none."""
    try:
        groups = [field_map(group) for group in connection.call("XINFO", "GROUPS", stream)]
    except ServerError as error:
        if "no such key" in str(error):
            return None
        raise
    return next(
        (bytes(group[b"last-delivered-id"]) for group in groups if group[b"name"] == TRAINERS.encode()), None
    )
