"""Change which groups a pipeline requires, while others may do the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.connection import Connection
from core.scripts.script import Script

_script = Script("change_required_groups")


def change_required_groups(
    connection: Connection, config: str, change: Literal["add", "remove"], group: str, default: Sequence[str]
) -> tuple[str, ...]:
    """Add or remove one group; returns those that are required then, none where the last was to go, and stays."""
    text = _script.run(connection, (config,), (change, group, ",".join(default))).decode(errors="replace")
    return tuple(text.split(",")) if text else ()
