"""Attempts at one retrain event: noted where every trainer sees them, and claimed by one trainer at a time."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from core.connection import Connection
from core.keys import TRAINERS, PipelineKeys
from core.scripts.script import Script

#: Field of the production hash: the drift event that was last answered without replacing this production, how many
#: labelled rows there were, and how many tests were made for it until then, as ``<event id> <rows> <tests>``.
#: Earlier versions wrote no tests.
FIELD = b"attempt"

_claim = Script("claim_request", Path(__file__).parent)
_note = Script("note_attempt", Path(__file__).parent)


class Attempt(NamedTuple):
    """The last attempt as it is noted; empty where there was none."""

    noted: bytes

    def rows(self, event_id: bytes) -> int:
        """Labelled rows that the attempt at an event had, 0 where it was not the last one tried.

        >>> Attempt(b"5-0 120 1").rows(b"5-0"), Attempt(b"5-0 120 1").rows(b"6-0")
        (120, 0)
        """
        return self._figure(event_id, 1)

    def tests(self, event_id: bytes) -> int:
        """Tests that were made of candidates for an event, each of which has spent its share of the error rate.

        An event is its episode's only one as long as production stays.

        >>> Attempt(b"5-0 120 2").tests(b"5-0"), Attempt(b"5-0 120 2").tests(b"6-0"), Attempt(b"").tests(b"5-0")
        (2, 0, 0)
        """
        return self._figure(event_id, 2)

    def _figure(self, event_id: bytes, place: int) -> int:
        parts = self.noted.split(b" ")
        return int(parts[place]) if parts[0] == event_id and len(parts) > place and parts[place].isdigit() else 0


def last_attempt(connection: Connection, keys: PipelineKeys) -> Attempt:
    """What is noted now."""
    return Attempt(connection.call("HGET", keys.production, FIELD) or b"")


def note_attempt(
    connection: Connection, keys: PipelineKeys, event_id: bytes, seen: Attempt, rows: int, tests: int
) -> bool:
    """Note an attempt; before the event is acknowledged, so that none is acknowledged unnoted.

    False where another trainer has answered the event since ``seen`` was read: its note stands, with its tests.
    """
    noted = b"%b %d %d" % (event_id, rows, tests)
    return bool(_note.run(connection, (keys.production,), (FIELD, noted, seen.noted, event_id)))


def claim_request(
    connection: Connection, keys: PipelineKeys, consumer: str, event_id: bytes, seen: Attempt, epoch: int
) -> bool:
    """Make an acknowledged event pending for ``consumer``, unless something happened since the caller looked.

    From then on it is an event like any other: held by one trainer, taken over if that one dies, acknowledged with
    its answer.
    """
    arguments: tuple[str | bytes | int, ...] = (TRAINERS, consumer, event_id, FIELD, seen.noted, epoch)
    return bool(_claim.run(connection, (keys.retrain, keys.production), arguments))
