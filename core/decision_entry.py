"""One entry of the decisions stream: production was to change and did not. Else it is a promotion."""

from __future__ import annotations

import msgspec

from core.connection import Connection, ServerError
from core.entry import WIRE_VERSION, Entry, entries_of, known_fields
from core.keys import PipelineKeys

#: Characters of a sentence at most. The rule's have some hundred, the words of a failure may have any number.
MAX_SENTENCE_CHARACTERS = 2_000


class DecisionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a candidate, or of the wish for one, that did not replace production."""

    entry_id: str
    run_id: str  #: of the MiniFlow directory, which has the figures
    outcome: str  #: ``refused``, ``too_few_labels``, ``superseded`` or ``failed``
    reason: str  #: why the run was made: that of its retrain event, ``fit`` or ``import``
    sentence: str  #: why
    event: str  #: entry id of the retrain event; empty where a person ran a command
    ts_ms: int


def decision_fields(run_id: str, outcome: str, reason: str, sentence: str, event: bytes = b"") -> list[bytes]:
    """Fields of the entry, without ``ts``: who writes it knows the server's clock."""
    texts = {b"run_id": run_id, b"outcome": outcome, b"reason": reason, b"sentence": _cut(sentence)}
    encoded = [part for name, text in texts.items() for part in (name, text.encode(errors="replace"))]
    return [b"_v", WIRE_VERSION, *encoded, b"event", event]


def require_decisions(connection: Connection, keys: PipelineKeys) -> None:
    """Fail where no decision could be told, before something is done that costs time.

    Raises
    ------
    ServerError
        The key holds something else than a stream, or this user may not write it.
    """
    try:
        connection.call("XDEL", keys.decisions, "0-0")  # is no entry: nothing changes
    except ServerError as error:
        if "WRONGTYPE" not in str(error):
            raise
        raise ServerError(f"WRONGTYPE {keys.decisions} is not a stream; move it aside") from error


def add_decision(connection: Connection, keys: PipelineKeys, fields: list[bytes]) -> None:
    """Write an entry that belongs to no retrain event; those of events are written as they are acknowledged."""
    now_ms = connection.now_ms(keys.decisions)
    connection.call("XADD", keys.decisions, "*", *fields, b"ts", b"%d" % now_ms)


def read_decisions(connection: Connection, keys: PipelineKeys, count: int) -> list[DecisionEntry]:
    """The decisions of the newest ``count`` entries, newest first; what is no decision is passed over.

    A command that was sent again may have written its entry twice: entries that say the same are one decision.
    """
    reply = connection.call("XREVRANGE", keys.decisions, "+", "-", "COUNT", count)
    found: dict[tuple[str, ...], DecisionEntry] = {}
    for entry in entries_of(reply):
        decision = _decision(entry)
        if decision is not None:
            said = (decision.run_id, decision.outcome, decision.reason, decision.sentence, decision.event)
            found.pop(said, None)  # the first telling of it counts
            found[said] = decision
    return list(found.values())


def _decision(entry: Entry) -> DecisionEntry | None:
    try:
        fields = known_fields(entry)
        return DecisionEntry(
            entry_id=entry.id.decode(),
            run_id=fields[b"run_id"].decode(),
            outcome=fields[b"outcome"].decode(),
            reason=fields[b"reason"].decode(),
            sentence=fields[b"sentence"].decode(),
            event=fields.get(b"event", b"").decode(),
            ts_ms=int(fields[b"ts"]),
        )
    except (KeyError, ValueError):  # text that is no UTF-8 among them
        return None


def _cut(sentence: str) -> str:
    if len(sentence) <= MAX_SENTENCE_CHARACTERS:
        return sentence
    return sentence[: MAX_SENTENCE_CHARACTERS - 1] + "…"
