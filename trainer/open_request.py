"""Retrain events as the trainer reads them, and the one request that may be tried again."""

from __future__ import annotations

from dataclasses import dataclass

from core.connection import Connection, ServerError
from core.drift_window import RetrainEvent
from core.entry import Entry, entries_of, field_map, parse_entry_id
from core.errors import GroupMissing, RecordError
from core.fields import decode_fields
from core.keys import TRAINERS, PipelineKeys
from core.number import shown
from core.record_place import RecordPlace, place_of
from core.registry import Production
from trainer.alert_event import as_of_drift, open_episode

#: Why the monitor asks: the records drift, or the labels say that the model's probabilities hold no more.
DRIFTS = frozenset({"drift", "label_drift"})
#: Why somebody asks about one model: of another that is in production by then nothing was said.
ABOUT_A_MODEL = DRIFTS | {"alert"}
#: How far back the newest drift event is looked for, behind scheduled and manual ones.
LOOK_BACK_EVENTS = 50
#: A refused candidate is tried again when there are more labelled rows by this factor.
GROWTH = 1.5


@dataclass(frozen=True)
class RetrainRequest:
    """A retrain event with what its acknowledgement needs."""

    event_id: bytes
    event: RetrainEvent
    deliveries: int

    @property
    def since(self) -> RecordPlace | None:
        """The first suspected record, where the event names one."""
        return since_of(self.event)


@dataclass(frozen=True)
class OpenRequest:
    """A retrain event that was answered without a promotion and may be answered again."""

    entry: Entry
    event: RetrainEvent

    @property
    def since(self) -> RecordPlace | None:
        """The first suspected record, where the event names one."""
        return since_of(self.event)


def since_of(event: RetrainEvent) -> RecordPlace | None:
    """The first suspected record of a checked event, where it names one."""
    return None if event.since is None else place_of(event.since, event.since_partition, event.since_row)


def read_event(entry: Entry) -> RetrainEvent:
    """Decode a retrain event.

    Raises
    ------
    RecordError
        ``bad_field`` where a field is missing or cannot be read.
    """
    event = decode_fields(entry, RetrainEvent)
    if event.since is not None:
        try:
            parse_entry_id(event.since)
        except ValueError as error:
            raise RecordError(
                "bad_field", f"since is {shown(event.since.encode())}; send the entry id of a record"
            ) from error
    return event


def find_open_request(connection: Connection, keys: PipelineKeys, production: Production) -> OpenRequest | None:
    """The newest event of a drift, where it was answered without a promotion and its episode is still open.

    It is derived from the streams alone, so it survives a restart and passes to another trainer: the event's model
    is production and has been since before the event, the group has acknowledged it, and the newest window belongs
    to the same episode. Production that was set later is an answer, though it be the same run: a person who goes
    back to it after a promotion has decided. An alert's event that stands for an episode is one of a drift, too
    (see trainer.alert_event).

    Raises
    ------
    GroupMissing
        The retrain stream or its group is gone.
    """
    episode = open_episode(connection, keys)
    found = None if episode is None else _newest_drift_event(connection, keys)
    if found is None or found.event.model != production.run_id or found.event.episode != episode:
        return None
    if production.updated_ts_ms > parse_entry_id(found.entry.id).ms:  # both by the clock of one server
        return None
    return found if _acknowledged(connection, keys, found.entry.id) else None


def due_again(labelled_rows: int, attempted_rows: int, min_labelled_rows: int) -> bool:
    """Whether enough labels came since the last attempt: the minimum is reached, or they grew by half.

    >>> due_again(200, 150, 200), due_again(299, 200, 200), due_again(300, 200, 200)
    (True, False, True)
    """
    if attempted_rows < min_labelled_rows:
        return labelled_rows >= min_labelled_rows
    return labelled_rows >= GROWTH * attempted_rows


def _newest_drift_event(connection: Connection, keys: PipelineKeys) -> OpenRequest | None:
    for entry in entries_of(connection.call("XREVRANGE", keys.retrain, "+", "-", "COUNT", LOOK_BACK_EVENTS)):
        try:
            event = read_event(entry)
        except RecordError:
            continue
        event = as_of_drift(connection, keys, entry.id, event)
        if event.reason in DRIFTS:
            return OpenRequest(entry, event)
    return None


def holder(connection: Connection, keys: PipelineKeys, event_id: bytes) -> bytes | None:
    """The consumer that has an event to answer, or None where it is answered or not handed out.

    Raises
    ------
    GroupMissing
        The retrain stream or its group is gone.
    """
    try:
        pending = connection.call("XPENDING", keys.retrain, TRAINERS, event_id, event_id, 1)
    except ServerError as error:
        raise _group_missing(keys) from error
    return bytes(pending[0][1]) if pending else None


def _acknowledged(connection: Connection, keys: PipelineKeys, event_id: bytes) -> bool:
    if holder(connection, keys, event_id) is not None:
        return False
    groups = [field_map(group) for group in connection.call("XINFO", "GROUPS", keys.retrain)]
    for group in groups:
        if group[b"name"] == TRAINERS.encode():
            return parse_entry_id(event_id) <= parse_entry_id(group[b"last-delivered-id"])
    raise _group_missing(keys)


def _group_missing(keys: PipelineKeys) -> GroupMissing:
    return GroupMissing(f"group {TRAINERS!r} of {keys.retrain} is gone; it is made again")
