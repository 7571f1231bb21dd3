"""Retire a group that will not come back, or require one that must not miss a record."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from core.connection import Connection, ServerError
from core.errors import UsageError
from core.keys import REQUIRED_GROUPS, SCORERS, PipelineKeys
from core.pipeline_config import PipelineConfig
from core.required_groups import release_group, require_group
from core.scripts.script import Script
from streamgauge.groups.overview import GroupsOverview

#: Where a group that is made begins to read.
Start = Literal["start", "now"]

_retire = Script("retire_group", Path(__file__).parent)


class Changed(msgspec.Struct, frozen=True):
    """What became of a group; ``--json`` prints it as it is."""

    group: str
    required_groups: list[str]
    partitions: list[int]  #: where it was destroyed, or made
    abandoned_entries: int = 0  #: pending entries that went with it
    kept: list[int] = []  #: partitions where it was left, as it took entries meanwhile


def retire(
    connection: Connection,
    keys: PipelineKeys,
    config: PipelineConfig,
    overview: GroupsOverview,
    group: str,
    *,
    yes: bool,
) -> Changed:
    """Stop requiring a group, then destroy it on every partition.

    In this order nothing waits for a group that is gone if this is interrupted; run again, it finishes.

    Raises
    ------
    UsageError
        No such group, one that holds pending entries, the scorers' without ``yes``, or the last required one.
    """
    states = [state for state in overview.groups if state.group == group]
    required = group in config.required_groups
    if not states and not required:
        raise UsageError(
            f"there is no group {group!r} in pipeline {keys.pipeline!r}; streamgauge groups lists them"
        )
    if group == SCORERS and not yes:
        raise UsageError(
            "without the scorers' group records are trimmed that nobody has answered; give --yes if this pipeline "
            "is to score no more"
        )
    pending = sum(state.pending_entries for state in states)
    if pending and not yes:
        raise UsageError(
            f"group {group!r} holds {pending} entries that were handed out and not acknowledged; let its readers "
            "finish, or give --yes to give them up"
        )
    left = release_group(connection, keys, group) if required else config.required_groups
    if not left:
        raise UsageError(f"group {group!r} is the only required one; require another before, or nothing is kept")
    destroyed: list[int] = []
    kept: list[int] = []
    abandoned = 0
    for partition in config.partitions:
        held = _retire.run(connection, (partition.records,), (group, "1" if yes else "0"))
        if held is None:
            continue
        (destroyed if held >= 0 else kept).append(partition.number)
        abandoned += max(0, int(held))
    return Changed(group, list(left), destroyed, abandoned, kept)


def require(
    connection: Connection, keys: PipelineKeys, config: PipelineConfig, group: str, start: Start
) -> Changed:
    """Require a group, then make it where it is missing; where it is there, it goes on from where it is.

    In this order nothing is trimmed between the two steps, nor after an interruption; run again, it finishes.
    The groups of scorers and monitor are left to them: they know what was answered, and to be handed all of it
    once more would publish it twice.

    Raises
    ------
    SettingsError
        A name that cannot stand in the config.
    """
    made = []
    left = require_group(connection, keys, group)
    for partition in config.partitions if group not in REQUIRED_GROUPS else ():
        try:
            at = "0" if start == "start" else "$"
            connection.call("XGROUP", "CREATE", partition.records, group, at, "MKSTREAM")
        except ServerError as error:
            if "BUSYGROUP" not in str(error):
                raise
        else:
            made.append(partition.number)
    return Changed(group, list(left), made)
