"""What holds a producer back: its limits, the groups whose backlog counts, and a server at its maxmemory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from core.errors import BacklogFull, StreamError
from producer.durability import Durability


@dataclass(frozen=True)
class DeliveryLimits:
    """What a producer does when the server is full or away, and what it asks of its disk."""

    max_backlog_entries: int
    max_backlog_bytes: int
    on_full: Literal["wait", "raise"] = "wait"
    give_up_s: float = 120.0  #: a server that is away for longer than this is an error; what is unsent stays
    durability: Durability = "server"


class BacklogGroups:
    """Group names that can be read anew: ``streamgauge groups retire`` changes them while producers run."""

    def __init__(self, names: tuple[str, ...], read: Callable[[], tuple[str, ...]]) -> None:
        self.names = names
        self._read = read

    def refresh(self) -> bool:
        """Read them again; whether they changed."""
        before, self.names = self.names, self._read()
        return self.names != before


class ServerFull(BacklogFull):
    """The server is at ``maxmemory`` and refuses writes; nothing was written, and no one group is the cause."""

    def __init__(self) -> None:
        StreamError.__init__(
            self,
            "the server is at its maxmemory; raise it, or let the readers catch up so that records are trimmed",
        )
        self.group = ""
