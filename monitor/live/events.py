"""Follows what happened to production: requests to retrain, changes, and decisions that changed nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.connection import Connection
from core.keys import PipelineKeys
from core.scripts.entry_fields import EntryFields, EntryQuery, each_entry_fields
from monitor.live.numbers import id_ms, time_ms, whole
from monitor.live.text import SENTENCE_CHARACTERS, shown

#: Outcome of a decision by which a candidate was judged and not taken; the others are no judgement.
REFUSED = "refused"
#: Newest entries of each stream that are read.
NEWEST = 60
#: Reasons of promotions that are words of a command, not sentences.
_COMMANDS = {
    "manual": "A person put run {run} into production.",
    "rollback": "A person put run {run} back into production.",
    "first": "Run {run} is the first in production.",
}
_RETRAIN = ("reason", "window", "sentence", "alert")
_CHANGE = ("run_id", "previous", "epoch", "reason", "ts", "#decision")
_DECISION = ("run_id", "outcome", "reason", "sentence", "event", "ts")


class RetrainAsked(NamedTuple):
    """Somebody asked for a retraining."""

    ms: int
    reason: str
    window: int | None
    sentence: str  #: of the alarm or the alert; empty where a person or the schedule asked


class Change(NamedTuple):
    """Production changed."""

    entry_id: bytes
    ms: int
    run_id: str
    previous: str | None
    reason: str
    has_decision: bool  #: there is a record of the decision, which may tell figures

    @property
    def commanded(self) -> str | None:
        """A sentence on a change that no rule decided; None where ``reason`` is the rule's own."""
        sentence = _COMMANDS.get(self.reason)
        return None if sentence is None else sentence.format(run=self.run_id)


class Stay(NamedTuple):
    """Production was to change, and did not."""

    ms: int
    run_id: str | None
    outcome: str
    reason: str
    sentence: str


class Events:
    """What the newest entries of three streams say, newest first; a stream without news is not read again."""

    def __init__(self, connection: Connection, keys: PipelineKeys) -> None:
        self._connection = connection
        self._queries = (
            EntryQuery(keys.retrain, _RETRAIN, NEWEST),
            EntryQuery(keys.promotions, _CHANGE, NEWEST),
            EntryQuery(keys.decisions, _DECISION, NEWEST),
        )
        self._newest: dict[str, bytes] = {}
        self.retrains: list[RetrainAsked] = []
        self.changes: list[Change] = []
        self.stays: list[Stay] = []

    def look(self) -> bool:
        """Read what is new; returns whether there was something."""
        ends = each_entry_fields(self._connection, [EntryQuery(query.stream, (), 1) for query in self._queries])
        now = {
            query.stream: found.entries[0].id if found.entries else b""
            for query, found in zip(self._queries, ends, strict=True)
        }
        changed = [query for query in self._queries if self._newest.get(query.stream) != now[query.stream]]
        if not changed:
            return False
        for query, found in zip(changed, each_entry_fields(self._connection, changed), strict=True):
            if query.fields is _RETRAIN:
                self.retrains = [_retrain(entry) for entry in found.entries]
            elif query.fields is _CHANGE:
                self.changes = [change for entry in found.entries if (change := _change(entry)) is not None]
            else:
                self.stays = _stays(found.entries)
        self._newest = now
        return True


def _retrain(entry: EntryFields) -> RetrainAsked:
    reason, window, sentence, alert = entry.values
    said = shown(sentence or b"", SENTENCE_CHARACTERS)
    if alert is not None:
        said = f"alert {shown(alert)}" + (f": {said}" if said else "")
    return RetrainAsked(id_ms(entry.id), shown(reason or b"unknown"), whole(window), said)


def _change(entry: EntryFields) -> Change | None:
    """A change of production; None for a stray entry of somebody else's."""
    run_id, previous, epoch, reason, ts, decision_bytes = entry.values
    ts_ms = time_ms(ts)
    if not run_id or whole(epoch) is None or ts_ms is None:
        return None
    said = shown(reason or b"", SENTENCE_CHARACTERS)
    before = shown(previous) if previous else None
    return Change(entry.id, ts_ms, shown(run_id), before, said, bool(decision_bytes))


def _stays(entries: list[EntryFields]) -> list[Stay]:
    """Decisions that left production as it was. One that was told twice, as after a kill, is one."""
    found: dict[tuple[Any, ...], Stay] = {}
    for entry in entries:
        run_id, outcome, reason, sentence, event, ts = entry.values
        ts_ms = time_ms(ts)
        if outcome is None or sentence is None or ts_ms is None:
            continue
        said = (run_id, outcome, reason, sentence, event)
        found.pop(said, None)  # the first telling of it counts
        found[said] = Stay(
            ts_ms,
            shown(run_id) if run_id else None,
            shown(outcome),
            shown(reason or b""),
            shown(sentence, SENTENCE_CHARACTERS),
        )
    return list(found.values())
