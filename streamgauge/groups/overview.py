"""Who reads the records, how far each group is, and which one keeps them from being trimmed."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from core.connection import Connection, ServerError
from core.entry import EntryId, field_map, parse_entry_id
from core.keys import PartitionKeys
from core.pipeline_config import PipelineConfig
from core.stream_lag import stream_lags
from streamgauge.terminal_text import printable


class GroupState(msgspec.Struct, frozen=True):
    """One group on one partition."""

    partition: int
    group: str
    required: bool
    consumers: int
    lag_entries: int  #: not yet handed out
    pending_entries: int  #: handed out, not acknowledged
    oldest_s: float  #: age of the oldest entry that is not acknowledged
    needs: str  #: the first entry that it still needs
    holds_floor: bool  #: whether it is the one that keeps records from being trimmed


class PartitionFloor(msgspec.Struct, frozen=True):
    """Up to where one partition may be trimmed."""

    partition: int
    floor: str | None  #: None: nothing is trimmed, as a required group is missing
    missing: list[str]  #: required groups that are not there


class GroupsOverview(msgspec.Struct, frozen=True):
    """What ``streamgauge groups`` shows; ``--json`` prints it as it is."""

    pipeline: str
    required_groups: list[str]
    groups: list[GroupState]
    floors: list[PartitionFloor]


def read_groups(connection: Connection, pipeline: str, config: PipelineConfig) -> GroupsOverview:
    """Look at every group of every partition."""
    groups: list[GroupState] = []
    floors: list[PartitionFloor] = []
    for partition in config.partitions:
        found = _infos(connection, partition)
        needs = {name: _needs(connection, partition, info) for name, info in found.items()}
        missing = [name for name in config.required_groups if name not in found]
        floor = None if missing else min(needs[name] for name in config.required_groups)
        floors.append(PartitionFloor(partition.number, None if floor is None else str(floor), missing))
        for lag in stream_lags(connection, (partition,)):
            if lag.group not in found:
                continue  # made meanwhile
            required = lag.group in config.required_groups
            groups.append(
                GroupState(
                    partition.number,
                    lag.group,
                    required,
                    int(found[lag.group][b"consumers"]),
                    lag.lag_entries,
                    lag.pending_entries,
                    lag.oldest_s,
                    str(needs[lag.group]),
                    required and needs[lag.group] == floor,
                )
            )
    return GroupsOverview(pipeline, list(config.required_groups), groups, floors)


def show_groups(console: Console, overview: GroupsOverview) -> None:
    """Print it."""
    names = ("partition", "group", "", "consumers", "not read", "pending", "oldest", "needs from")
    grid = Grid(*names, box=None, pad_edge=False)
    for group in overview.groups:
        role = "holds the floor" if group.holds_floor else "required" if group.required else "not required"
        grid.add_row(
            str(group.partition),
            printable(group.group, 64),
            role,
            str(group.consumers),
            str(group.lag_entries),
            str(group.pending_entries),
            f"{group.oldest_s:.1f} s",
            group.needs,
        )
    console.print(grid)
    for floor in overview.floors:
        if floor.floor is None:
            name = printable(floor.missing[0], 64)
            console.print(
                f"partition {floor.partition}: nothing is trimmed, for the required group {name} is missing; "
                f"start its service, or streamgauge groups retire {name}",
                style="yellow",
            )
        else:
            console.print(f"partition {floor.partition}: records before {floor.floor} may be trimmed")


def _infos(connection: Connection, partition: PartitionKeys) -> dict[str, dict[bytes, Any]]:
    try:
        reply = connection.call("XINFO", "GROUPS", partition.records)
    except ServerError as error:
        if "no such key" in str(error):
            return {}
        raise
    infos = [field_map(group) for group in reply]
    return {info[b"name"].decode("utf-8", "backslashreplace"): info for info in infos}


def _needs(connection: Connection, partition: PartitionKeys, info: dict[bytes, Any]) -> EntryId:
    """The oldest pending entry, else the one after the last that was handed out."""
    needed = parse_entry_id(info[b"last-delivered-id"]).after
    if int(info[b"pending"]):
        oldest = connection.call("XPENDING", partition.records, info[b"name"])[1]
        if oldest is not None:
            return min(needed, parse_entry_id(oldest))
    return needed
