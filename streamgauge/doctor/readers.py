"""Checks of who reads the records: groups, backlog, what is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.connection import Connection, ServerError
from core.entry import field_map
from core.keys import MONITORS, SCORERS, PartitionKeys, is_shadow_group
from core.pipeline_config import PipelineConfig
from core.settings import Settings
from streamgauge.doctor.finding import Finding
from streamgauge.groups.overview import GroupState, read_groups
from streamgauge.terminal_text import counted

#: An unread record older than this is late; the monitor's group moves with its windows, so it gets more.
LATE_S = 60.0
LATE_WINDOWS = 3
#: A consumer that was silent for longer has no process any more: it asks at least twice a second.
SILENT_S = 60.0
#: Pending entries that are looked at for their delivery counts.
LOOKED_AT = 1_000
#: Entry ids that a sentence names.
NAMED = 3


def check_groups(connection: Connection, settings: Settings, config: PipelineConfig) -> Iterator[Finding]:
    """Required groups are there, and what they are behind."""
    overview = read_groups(connection, settings.pipeline, config)
    for floor in overview.floors:
        for name in floor.missing:
            yield Finding(
                "wrong",
                "groups",
                f"partition {floor.partition} has no group {name!r}, which is required: nothing is trimmed there",
                "start a scorer" if name == SCORERS else f"start its service, or streamgauge groups retire {name}",
            )
    for name in sorted({group.group for group in overview.groups if not group.required}):
        yield Finding(
            "ok",
            "groups",
            f"group {name!r} is not required: records are trimmed whether it has read them or not",
            f"as it has to be; to remove it: streamgauge shadow {name.partition(':')[2]} --end"
            if is_shadow_group(name)
            else f"if it must not miss one: streamgauge groups require {name}",
        )
    if overview.groups and not any(floor.missing for floor in overview.floors):
        yield Finding("ok", "groups", "every required group is on every partition")
    for group in overview.groups:
        if group.required:
            yield _lag(group, settings)


def check_consumers(connection: Connection, settings: Settings, config: PipelineConfig) -> Iterator[Finding]:
    """Somebody reads, and nothing is stuck."""
    for partition in config.partitions:
        consumers = _consumers(connection, partition)
        idle_s = [int(consumer[b"idle"]) / 1000 for consumer in consumers]
        reading = sum(seconds < SILENT_S for seconds in idle_s)
        if not reading:
            said = (
                f"of {counted(len(idle_s), 'consumer')} the last was heard of {min(idle_s):,.0f} s ago"
                if idle_s
                else "its group has no consumer"
            )
            yield Finding(
                "wrong",
                "scorers",
                f"no scorer reads partition {partition.number}: {said}",
                "start one with python -m scorer, or look at its log; without a model it does not read",
            )
        else:
            yield Finding("ok", "scorers", f"partition {partition.number} is read by {counted(reading, 'scorer')}")
        stuck_s = 4 * settings.takeover_idle_ms / 1000
        for consumer, seconds in zip(consumers, idle_s, strict=True):
            if int(consumer[b"pending"]) and seconds > stuck_s:
                name = consumer[b"name"].decode(errors="backslashreplace")
                held = counted(int(consumer[b"pending"]), "entry", "entries")
                yield Finding(
                    "wrong",
                    "scorers",
                    f"{name} was last heard of {seconds:,.0f} s ago and holds {held} of "
                    f"partition {partition.number}, which nobody takes over",
                    "start a scorer, or look at the logs of those that run",
                )
        yield from _suspects(connection, settings, partition)


def _lag(group: GroupState, settings: Settings) -> Finding:
    unread = counted(group.lag_entries, "entry", "entries")
    what = (
        f"{group.group} on partition {group.partition}: {unread} not read, "
        f"{group.pending_entries} pending, the oldest is {group.oldest_s:,.0f} s old"
    )
    late_s = LATE_S
    if group.group == MONITORS:
        late_s = max(LATE_S, LATE_WINDOWS * settings.window_limit_s)
    if group.oldest_s <= late_s:
        return Finding("ok", "lag", what)
    do = {
        SCORERS: "start more scorers, or look at their logs",
        MONITORS: "look at the monitor's log and /readyz, or start one with python -m monitor",
    }.get(group.group, f"start its readers again, or streamgauge groups retire {group.group}")
    return Finding("warn", "lag", what, do)


def _consumers(connection: Connection, partition: PartitionKeys) -> list[dict[bytes, Any]]:
    try:
        reply = connection.call("XINFO", "CONSUMERS", partition.records, SCORERS)
    except ServerError as error:
        if "no such key" in str(error) or "NOGROUP" in str(error):
            return []
        raise
    return [field_map(consumer) for consumer in reply]


def _suspects(connection: Connection, settings: Settings, partition: PartitionKeys) -> Iterator[Finding]:
    try:
        pending = connection.call("XPENDING", partition.records, SCORERS, "-", "+", LOOKED_AT)
    except ServerError as error:
        if "NOGROUP" in str(error):
            return
        raise
    often = [(int(item[3]), item[0].decode()) for item in pending if int(item[3]) >= settings.poison_deliveries]
    if often:
        ids = ", ".join(entry_id for _, entry_id in often[:NAMED])
        yield Finding(
            "warn",
            "poison",
            f"{len(often)} pending entries of partition {partition.number} were delivered up to {max(often)[0]} "
            f"times ({ids}): workers may die of them",
            f"look at them with XRANGE {partition.records} ID ID; what kills a lone worker is rejected as poison",
        )
