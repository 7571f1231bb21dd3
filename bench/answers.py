"""How fast answers appear in a stream, by the server's clock."""

from __future__ import annotations

import time
from typing import NamedTuple

from core.connection import Connection
from core.errors import UsageError

#: A reader that answers nothing for so long has failed.
PATIENCE_S = 20.0
#: Pause between two looks; a look costs the server some 20 microseconds.
_LOOK_EVERY_S = 0.004
#: The first twentieth is start-up: reads that grow, a model that loads.
_SKIPPED_PARTS = 20

_LOOK = """
local time = redis.call('TIME')
local added = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local facts = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #facts, 2 do
    if facts[i] == 'entries-added' then added = facts[i + 1] end
  end
end
return {added, time[1], time[2]}
"""


class Look(NamedTuple):
    """Entries that a stream was ever given, at one moment of the server's clock."""

    entries: int
    time_s: float


def look(connection: Connection, stream: str) -> Look:
    """How many entries were written by now, trimmed ones included."""
    entries, seconds, microseconds = connection.call("EVAL", _LOOK, 1, stream)
    return Look(int(entries), int(seconds) + int(microseconds) / 1e6)


def answer_rate(connection: Connection, answers: str, entries: int) -> float:
    """Entries a second in a stream, from the first twentieth of ``entries`` up to shortly before the last.

    Raises
    ------
    UsageError
        No more answers come.
    """
    looks: list[Look] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        now = look(connection, answers)
        if not looks or now.entries > looks[-1].entries:
            deadline_s = time.monotonic() + PATIENCE_S
        if now.entries >= max(1, entries // _SKIPPED_PARTS):
            looks.append(now)
        if now.entries >= entries:
            break
        if time.monotonic() > deadline_s:
            raise UsageError(
                f"the reader answered {now.entries} of {entries} entries and no more; run it by hand to see why"
            )
        time.sleep(_LOOK_EVERY_S)
    # the last look comes some time after the last answer; the one before it does not, where there is one
    last = looks[-2] if len(looks) > 2 else looks[-1]
    elapsed_s = last.time_s - looks[0].time_s
    return (last.entries - looks[0].entries) / max(elapsed_s, 1e-3)


def wait_for_answers(connection: Connection, answers: str, entries: int) -> None:
    """Wait until a stream was given so many. Raises UsageError where no more come."""
    deadline_s, seen = time.monotonic() + PATIENCE_S, -1
    while (now := look(connection, answers)).entries < entries:
        if now.entries > seen:
            seen, deadline_s = now.entries, time.monotonic() + PATIENCE_S
        elif time.monotonic() > deadline_s:
            raise UsageError(f"the reader answered {now.entries} of {entries} entries and no more; run it by hand")
        time.sleep(_LOOK_EVERY_S)
