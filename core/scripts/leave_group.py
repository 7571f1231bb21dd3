"""Leave a consumer group without losing what is pending, and clear away those who died."""

from __future__ import annotations

from core.connection import Connection
from core.scripts.script import Script

_script = Script("leave_group")


def leave_group(connection: Connection, stream: str, group: str, consumer: str) -> bool:
    """Remove one's own consumer if it holds nothing; what it holds is taken over by the others."""
    return bool(_script.run(connection, (stream,), (group, consumer, 0)))


def remove_dead_consumers(connection: Connection, stream: str, group: str, idle_ms: int) -> int:
    """Remove consumers that hold nothing and were not heard of for ``idle_ms``; returns how many."""
    return int(_script.run(connection, (stream,), (group, "", idle_ms)))
