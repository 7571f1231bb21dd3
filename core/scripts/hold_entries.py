"""Hold entries: keep what a consumer works on from being taken over."""

from __future__ import annotations

from core.connection import Connection
from core.scripts.script import Script

_script = Script("hold_entries")


def hold_entries(connection: Connection, stream: str, group: str, consumer: str, ids: list[bytes]) -> int:
    """Refresh the idle time of ``ids`` where they are still pending for ``consumer``; returns how many are."""
    return int(_script.run(connection, (stream,), (group, consumer, *ids)))
