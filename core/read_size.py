"""How many entries to ask for, so that one reply has about a given size whatever the entries weigh."""

from __future__ import annotations

from collections.abc import Sequence

from core.entry import Entry

#: Reading one entry at a time replicates as four commands each (redis #12898), so never fewer than this.
MIN_ENTRIES = 2
#: Beyond this a larger read saves nothing.
MAX_ENTRIES = 1_000
#: The first read knows nothing yet: of the largest blocks (1 MiB each) no more than a small container bears.
FIRST_ENTRIES = 4


class ReadSize:
    """Adapts a COUNT to the weight of the entries that came; grows by doubling, shrinks at once."""

    def __init__(self, target_bytes: int) -> None:
        self._target_bytes = target_bytes
        self.entries = FIRST_ENTRIES

    def learn(self, entries: Sequence[Entry]) -> None:
        """Take the weight of a reply into account."""
        if not entries:
            return
        self._adapt(sum(entry.size_bytes for entry in entries), len(entries))

    def learn_reply(self, reply_bytes: int, entries: Sequence[Entry]) -> None:
        """The same where it is known what the reply has at most, which spares the look at each small entry."""
        if reply_bytes > self._target_bytes // 2:
            self.learn(entries)
        elif entries:
            self._adapt(reply_bytes, len(entries))

    def begin_anew(self) -> None:
        """Forget what was learned, as entries turned out much larger."""
        self.entries = MIN_ENTRIES

    def _adapt(self, size_bytes: int, entries: int) -> None:
        fitting = self._target_bytes * entries // max(1, size_bytes)
        self.entries = max(MIN_ENTRIES, min(MAX_ENTRIES, fitting, 2 * self.entries))
