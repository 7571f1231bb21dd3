"""The groups without whose progress no record is trimmed, as the config names them now.

``streamgauge groups`` changes them while the services run, so whoever trims or holds a producer back asks anew.
"""

from __future__ import annotations

import re

from core.connection import Connection, ServerError
from core.entry import field_map
from core.errors import SettingsError
from core.keys import REQUIRED_GROUPS, PipelineKeys, is_shadow_group
from core.scripts.change_required_groups import change_required_groups

#: What a group may be called to be required: the config joins the names by commas.
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def required_groups(connection: Connection, keys: PipelineKeys, known: tuple[str, ...]) -> tuple[str, ...]:
    """The groups that the config names now; ``known`` where it names none, or is no hash."""
    try:
        config = field_map(connection.call("HGETALL", keys.config))
    except ServerError:
        return known
    text = config.get(b"required_groups", b"").decode(errors="replace")
    return tuple(name for name in text.split(",") if name) or known


def require_group(connection: Connection, keys: PipelineKeys, group: str) -> tuple[str, ...]:
    """Add a group, in one step; returns all that are required then.

    Raises
    ------
    SettingsError
        A name that cannot stand in the config, or a shadow's: its group goes with its last scorer, and then
        nothing would be trimmed any more until producers wait.
    """
    if is_shadow_group(group):
        raise SettingsError(
            f"group {group!r} is a shadow's, which must hold no record of production; it counts what it missed, "
            "and records_keep_ms and records_keep_bytes give it more time"
        )
    if not _NAME.fullmatch(group):
        raise SettingsError(
            f"group {group!r} must be 1 to 64 letters, digits, underscores, dots, colons or hyphens"
        )
    return change_required_groups(connection, keys.config, "add", group, REQUIRED_GROUPS)


def release_group(connection: Connection, keys: PipelineKeys, group: str) -> tuple[str, ...]:
    """Remove a group, in one step; returns all that are required then, none where it was the last and stays."""
    return change_required_groups(connection, keys.config, "remove", group, REQUIRED_GROUPS)
