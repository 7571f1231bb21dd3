"""Where each partition of a pipeline lies, and what it holds."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from core.connection import Connection, ServerError
from core.pipeline_config import PipelineConfig
from core.stream_lag import stream_lags
from streamgauge.partitions.slots import live_masters, propose_tags, slot_of


class PartitionState(msgspec.Struct, frozen=True):
    """One partition."""

    partition: int
    tag: str
    slot: int
    master: str | None  #: None on one server
    entries: int
    bytes: int | None  #: of the records stream in memory; None where this user may not ask
    lag_entries: int  #: of the required group that is furthest behind


class PartitionsOverview(msgspec.Struct, frozen=True):
    """What ``streamgauge partitions`` shows; ``--json`` prints it as it is."""

    pipeline: str
    partitions: list[PartitionState]
    masters: list[str]  #: of the cluster; none on one server
    uncovered: list[str]  #: masters that hold no partition
    proposed_tags: list[str]  #: tags that would cover all masters, where some are not


def read_partitions(connection: Connection, pipeline: str, config: PipelineConfig) -> PartitionsOverview:
    """Look at every partition."""
    masters = live_masters(connection)
    states = []
    for partition in config.partitions:
        slot = slot_of(partition.tag)
        lags = [
            lag.lag_entries for lag in stream_lags(connection, (partition,)) if lag.group in config.required_groups
        ]
        states.append(
            PartitionState(
                partition.number,
                partition.tag,
                slot,
                next((master.address for master in masters if master.holds(slot)), None),
                int(connection.call("XLEN", partition.records)),
                _memory_bytes(connection, partition.records),
                max(lags, default=0),
            )
        )
    covered = {state.master for state in states}
    uncovered = [master.address for master in masters if master.address not in covered]
    wanted = max(len(states), len(masters))
    proposed = propose_tags(pipeline, wanted, masters) if uncovered else ()
    return PartitionsOverview(pipeline, states, [master.address for master in masters], uncovered, list(proposed))


def show_partitions(console: Console, overview: PartitionsOverview) -> None:
    """Print it."""
    names = ("partition", "tag", "slot", "master", "entries", "bytes", "not read")
    grid = Grid(*names, box=None, pad_edge=False)
    for state in overview.partitions:
        grid.add_row(
            str(state.partition),
            state.tag,
            str(state.slot),
            state.master or "this server",
            f"{state.entries:,}",
            "not allowed to ask" if state.bytes is None else f"{state.bytes:,}",
            f"{state.lag_entries:,}",
        )
    console.print(grid)
    if overview.uncovered:
        console.print(f"no partition is on {', '.join(overview.uncovered)}", style="yellow")
        console.print(
            "the partitions of a pipeline stay as they are; a new pipeline covers all masters with\n"
            f"  streamgauge partitions create --pipeline NAME --partitions {len(overview.proposed_tags)}\n"
            "docs/partitions.md says how to move to it"
        )


def _memory_bytes(connection: Connection, key: str) -> int | None:
    try:
        return int(connection.call("MEMORY", "USAGE", key) or 0)
    except ServerError:
        return None
