"""One screen about a pipeline: backlog, rejections, model, drift."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from core.connection import Connection
from core.drift_window import DriftWindow
from core.entry import entries_of
from core.errors import ModelFileError, RecordError, UnknownRun
from core.fields import decode_fields
from core.keys import MONITORS, PartitionKeys
from core.redis_registry import RedisRegistry
from core.rejection import decode_rejection
from core.settings import Settings
from core.stream_lag import StreamLag, stream_lags
from streamgauge.started import started_config
from streamgauge.terminal_text import printable

#: Newest rejections looked at for their reasons.
REJECTIONS_SHOWN = 3


class StreamLength(msgspec.Struct, frozen=True):
    """Entries that a stream holds now."""

    partition: int
    records: int
    predictions: int
    rejected: int


class Refused(msgspec.Struct, frozen=True):
    """A recent rejection."""

    record: str
    reason: str
    detail: str


class Status(msgspec.Struct, frozen=True):
    """What ``streamgauge status`` shows; ``--json`` prints it as it is."""

    pipeline: str
    production: str | None
    previous: str | None
    epoch: int
    updated_ts_ms: int | None
    now_ms: int
    lags: list[StreamLag]
    lengths: list[StreamLength]
    newest_rejections: list[Refused]
    drift: DriftWindow | None
    threshold: float | None = None  #: from which production predicts class 1; None: it has no whole model


def read_status(connection: Connection, settings: Settings) -> Status:
    """Look at a pipeline."""
    keys = settings.keys
    partitions = started_config(connection, settings).partitions
    registry = RedisRegistry(connection, keys)
    production = registry.production()
    lengths = [
        StreamLength(
            partition.number,
            *(
                int(connection.call("XLEN", key))
                for key in (partition.records, partition.predictions, partition.rejected)
            ),
        )
        for partition in partitions
    ]
    refused = [found for partition in partitions for found in _newest_rejections(connection, partition)]
    return Status(
        settings.pipeline,
        None if production is None else production.run_id,
        None if production is None else production.previous,
        0 if production is None else production.epoch,
        None if production is None else production.updated_ts_ms,
        connection.now_ms(keys.production),
        stream_lags(connection, partitions),
        lengths,
        refused[:REJECTIONS_SHOWN],
        _newest_window(connection, keys.drift),
        None if production is None else _threshold(registry, production.run_id),
    )


def show_status(console: Console, status: Status) -> None:
    """Print it."""
    console.print(f"[bold]pipeline {status.pipeline}[/]")
    if status.production is None:
        console.print("no model in production; run streamgauge fit")
    else:
        age_min = max(0, status.now_ms - (status.updated_ts_ms or status.now_ms)) / 60_000
        point = "" if status.threshold is None else f", threshold {status.threshold:.3g}"
        console.print(
            f"model {status.production}, epoch {status.epoch}, in production for {age_min:.1f} min{point}"
        )
    grid = Grid("partition", "group", "not read", "pending", "oldest")
    for lag in status.lags:
        group = f"{lag.group} (open window)" if lag.group == MONITORS and lag.lag_entries else lag.group
        figures = (str(lag.lag_entries), str(lag.pending_entries), f"{lag.oldest_s:.1f} s")
        grid.add_row(str(lag.partition), escape(printable(group)), *figures)
    console.print(grid)
    for length in status.lengths:
        console.print(
            f"partition {length.partition} holds {length.records} record entries, {length.predictions} prediction "
            f"entries, {length.rejected} rejections"
        )
    for refused in status.newest_rejections:
        told = f"{refused.record}: {refused.reason}, {refused.detail}"
        console.print(f"  rejected {printable(told)}", style="yellow", markup=False)
    if status.drift is None:
        console.print("no window has closed yet")
        return
    drift = status.drift
    style = "red" if drift.episode is not None else "green"
    console.print(
        f"window {drift.window}: {drift.state}, score {drift.score:.3f}, threshold {drift.threshold:.3f}, "
        f"{drift.n} records, most shifted {escape(printable(', '.join(drift.blame[:3])))}",
        style=style,
    )
    if drift.alarm is not None:
        console.print(f"  {printable(drift.alarm.sentence)}", style=style, markup=False)
    elif drift.alarmed:
        console.print(f"  in this episode alarmed: {escape(printable(', '.join(drift.alarmed)))}", style=style)


def _threshold(registry: RedisRegistry, run_id: str) -> float | None:
    try:
        return registry.model(run_id).model.threshold
    except (UnknownRun, ModelFileError):
        return None  # doctor says what is wrong with it


def _newest_rejections(connection: Connection, partition: PartitionKeys) -> list[Refused]:
    reply = connection.call("XREVRANGE", partition.rejected, "+", "-", "COUNT", REJECTIONS_SHOWN)
    found = []
    for entry in entries_of(reply):
        try:
            rejection = decode_rejection(entry)
        except (KeyError, ValueError, msgspec.MsgspecError):
            continue  # a stray entry of somebody else's
        found.append(Refused(rejection.record.decode(errors="replace"), rejection.reason, rejection.detail))
    return found


def _newest_window(connection: Connection, drift: str) -> DriftWindow | None:
    for entry in entries_of(connection.call("XREVRANGE", drift, "+", "-", "COUNT", 10)):
        try:
            return decode_fields(entry, DriftWindow)
        except RecordError:
            continue  # a stray entry of somebody else's
    return None
