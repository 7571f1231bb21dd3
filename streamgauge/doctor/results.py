"""Checks of what comes out: the model, the monitor's windows, rejections, labels that found nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from core.connection import Connection
from core.drift_window import DriftWindow
from core.entry import Entry, entries_of, field_map, parse_entry_id
from core.errors import ModelFileError, RecordError, RegistryError, UnknownModelFormat
from core.fields import decode_fields
from core.keys import PartitionKeys, PipelineKeys
from core.last_id import last_id
from core.number import shown
from core.redis_registry import RedisRegistry
from core.settings import Settings
from monitor.state import decode_state
from streamgauge.doctor.finding import Finding

#: Rejections and unmatched entries are counted over this time, and at most so many of them.
LOOK_BACK_MS = 3_600_000
LOOKED_AT = 10_000
#: A window is missed when there were records for so many of its limits.
LATE_WINDOWS = 3
#: Reasons that a sentence names.
NAMED = 5


def check_model(connection: Connection, keys: PipelineKeys) -> Iterator[Finding]:
    """There is a whole model in production."""
    registry = RedisRegistry(connection, keys)
    production = registry.production()
    if production is None:
        yield Finding(
            "wrong",
            "model",
            "no model is in production, so scorers read nothing",
            "streamgauge fit CSV --label COLUMN, or streamgauge promote RUN",
        )
        return
    try:
        schema = registry.model(production.run_id).model.schema
    except UnknownModelFormat as error:
        finding, _, advice = str(error).partition("; ")
        what = f"run {production.run_id} is in production, and its {finding}"
        yield Finding("wrong", "model", what, f"{advice}, or streamgauge rollback")
        return
    except (RegistryError, ModelFileError) as error:
        yield Finding(
            "wrong",
            "model",
            f"run {production.run_id} is in production and its model cannot be used: {error}",
            f"streamgauge promote {production.run_id} where its MiniFlow directory is, or streamgauge rollback",
        )
        return
    names = ", ".join(schema.features[:NAMED]) + (", ..." if schema.width > NAMED else "")
    yield Finding(
        "ok",
        "model",
        f"run {production.run_id}, epoch {production.epoch}, SHA-256 right, schema {schema.fingerprint}, "
        f"{schema.width} features: {names}",
    )


def check_monitor(
    connection: Connection, settings: Settings, partitions: Sequence[PartitionKeys]
) -> Iterator[Finding]:
    """Its state can be read and agrees with its number, and windows close."""
    keys = settings.keys
    number, data = connection.call("HMGET", keys.monitor, "window", "state")
    state = decode_state(data)
    if (number or b"0") != b"%d" % state.window:
        yield Finding(
            "wrong",
            "monitor",
            f"the monitor's state is of window {state.window} but its number is {shown(number or b'none')}",
            f"RENAME {keys.monitor} {keys.monitor}:aside, and the monitor begins anew",
        )
        return
    newest = _newest_window(connection, keys.drift)
    if newest is None:
        yield Finding("ok", "monitor", "no window has closed yet")
        return
    entry, window = newest
    if window.window > state.window:
        yield Finding(
            "warn",
            "monitor",
            f"the newest window is {window.window} but the monitor's state is of window {state.window}: it was "
            "lost, or an old one put back, and windows are counted from there again",
            f"find out who deleted {keys.monitor}",
        )
    age_s = max(0, connection.now_ms(keys.drift) - parse_entry_id(entry.id).ms) / 1000
    waiting = any(last_id(connection, partition.records) > parse_entry_id(entry.id) for partition in partitions)
    what = f"window {window.window} closed {age_s:,.0f} s ago: {window.state}, {window.n} records"
    if waiting and age_s > LATE_WINDOWS * settings.window_limit_s:
        yield Finding(
            "warn",
            "monitor",
            f"{what}, and records have come since",
            "look at the monitor's log and /readyz, or start one with python -m monitor",
        )
    else:
        yield Finding("ok", "monitor", what)


def check_rejected(connection: Connection, partitions: Sequence[PartitionKeys]) -> Iterator[Finding]:
    """What was rejected in the last hour, by reason."""
    reasons: Counter[str] = Counter()
    for partition in partitions:
        reasons += _recent_reasons(connection, partition.rejected)
    yield _counted(
        reasons, "rejected", "rejections", "streamgauge redrive --list --since 1h, then send them corrected"
    )


def check_unmatched(connection: Connection, keys: PipelineKeys) -> Iterator[Finding]:
    """Labels and events of the last hour that could not be used."""
    reasons = _recent_reasons(connection, keys.unmatched)
    yield _counted(
        reasons, "unmatched", "labels or events that could not be used", f"XREVRANGE {keys.unmatched} + - COUNT 10"
    )


def _counted(reasons: Counter[str], about: str, things: str, do: str) -> Finding:
    count = sum(reasons.values())
    if not count:
        return Finding("ok", about, f"no {things} in the last hour")
    told = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common(NAMED))
    more = " or more" if count >= LOOKED_AT else ""
    return Finding("warn", about, f"{count}{more} {things} in the last hour: {told}", do)


def _recent_reasons(connection: Connection, stream: str) -> Counter[str]:
    start = str(max(0, connection.now_ms(stream) - LOOK_BACK_MS))
    counted: Counter[str] = Counter()
    while sum(counted.values()) < LOOKED_AT:
        # entries may hold a whole block each, so few are read at a time
        entries = entries_of(connection.call("XRANGE", stream, start, "+", "COUNT", 100))
        if not entries:
            break
        for entry in entries:
            counted[field_map(entry.fields).get(b"reason", b"of no reason")[:40].decode(errors="replace")] += 1
        last = parse_entry_id(entries[-1].id)
        if len(entries) < 100 or last.ms >= 2**64 - 1:
            break
        start = str(last.after)
    return counted


def _newest_window(connection: Connection, drift: str) -> tuple[Entry, DriftWindow] | None:
    for entry in entries_of(connection.call("XREVRANGE", drift, "+", "-", "COUNT", 10)):
        try:
            return entry, decode_fields(entry, DriftWindow)
        except RecordError:
            continue  # a stray entry of somebody else's
    return None
