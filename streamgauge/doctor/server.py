"""Checks of the servers: version, memory, persistence, scripts, clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from redis.exceptions import NoPermissionError

from core.connection import Connection, ServerError
from core.server_check import (
    OLDEST_SERVERS,
    Call,
    ServerFacts,
    aof_fsync,
    findings,
    runs_our_scripts,
    server_facts,
)
from core.settings import Settings
from streamgauge.doctor.finding import Finding, Level

#: Share of maxmemory from which on it is said, and from which on it is wrong.
MEMORY_WARN, MEMORY_WRONG = 0.8, 0.95
#: A difference between this machine's clock and the server's that is worth a word.
LOCAL_CLOCK_MS = 2_000


def check_servers(connection: Connection) -> Iterator[Finding]:
    """Each server that takes writes."""
    servers = connection.each_server()
    for number, call in enumerate(servers, start=1):
        place = "the server" if len(servers) == 1 else f"master {number}"
        facts = server_facts(call)
        if facts is None:
            yield Finding(
                "warn",
                "server",
                f"{place} does not tell its version, memory and persistence to this user",
                "allow +info, or run doctor as another user",
            )
        else:
            yield Finding("ok", "server", f"{place} is {facts.name} {facts.version} and answers")
            yield from _memory(place, facts)
            yield from _persistence(place, facts, call)
        yield from _scripts(place, call)


def check_clocks(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """This machine's clock and the servers'."""
    offsets = [_offset_ms(call) for call in connection.each_server()]
    local = max(offsets, key=abs)
    if abs(local) > LOCAL_CLOCK_MS:
        yield Finding(
            "warn",
            "clock",
            f"this machine's clock and the server's differ by {abs(local) / 1000:.1f} s",
            "set the clocks by NTP; no guarantee depends on a local clock, but event times (_ts) of clients do",
        )
    else:
        yield Finding("ok", "clock", f"this machine's clock and the server's agree within {abs(local):.0f} ms")
    apart = max(offsets) - min(offsets)
    if apart > settings.cluster_skew_ms:
        yield Finding(
            "warn",
            "clock",
            f"the clocks of the masters differ by {apart:.0f} ms; cluster_skew_ms is {settings.cluster_skew_ms}",
            "set their clocks by NTP, or raise cluster_skew_ms above that, or windows may miss late entries",
        )


def _memory(place: str, facts: ServerFacts) -> Iterator[Finding]:
    said = findings(facts)
    for one in said:
        what, _, do = one.sentence.rpartition("; ")
        yield Finding("wrong" if one.level == "refused" else "warn", "eviction", what, do)
    if not said and facts.maxmemory_policy is not None:
        yield Finding("ok", "eviction", f"{place} evicts nothing (maxmemory-policy {facts.maxmemory_policy})")
    if not facts.maxmemory_bytes:
        yield Finding(
            "ok",
            "memory",
            f"{place} uses {_mib(facts.used_memory_bytes)} and has no limit",
            "set maxmemory below what the machine has, so that producers wait instead of the kernel killing it",
        )
        return
    share = facts.used_memory_bytes / facts.maxmemory_bytes
    what = f"{place} uses {_mib(facts.used_memory_bytes)} of {_mib(facts.maxmemory_bytes)} ({share:.0%})"
    do = "raise maxmemory, shorten records_keep_ms, or see below which group keeps records from being trimmed"
    level: Level = "wrong" if share > MEMORY_WRONG else "warn" if share > MEMORY_WARN else "ok"
    yield Finding(level, "memory", what, "" if level == "ok" else do)


def _persistence(place: str, facts: ServerFacts, call: Call) -> Iterator[Finding]:
    if not facts.aof_enabled:
        yield Finding(
            "warn",
            "persistence",
            f"{place} writes no append-only file: a restart loses all since the last snapshot, answered or not",
            "set appendonly yes (CONFIG SET, and in its configuration file) unless records may be lost",
        )
        return
    fsync = aof_fsync(call)
    lost = {
        "always": "a crash loses nothing that was answered",
        "everysec": "a crash of the machine may lose the last second, a crash of the server alone nothing",
        "no": "a crash of the machine may lose what the kernel had not written yet, up to half a minute",
    }.get(fsync or "", "appendfsync is not told to this user")
    waits = "producers may ask for" if _knows_waitaof(call) else "it has no WAITAOF, so producers may not ask for"
    how = f"appendfsync {fsync or 'unknown'}"
    what = f"{place} writes an append-only file ({how}): {lost}; {waits} durability=fsync"
    if fsync == "no":
        yield Finding("warn", "persistence", what, "set appendfsync everysec")
    else:
        yield Finding("ok", "persistence", what)


def _knows_waitaof(call: Call) -> bool:
    """Asked by name; a user who may not ask has the newer server's answer."""
    try:
        return bool(call("COMMAND", "INFO", "WAITAOF") != [None])
    except NoPermissionError:
        return True


def _scripts(place: str, call: Call) -> Iterator[Finding]:
    try:
        call("EVAL", "return 1", 0)
    except NoPermissionError as error:
        yield Finding(
            "warn", "scripts", f"this user may not run scripts on {place} ({error})", "allow +eval and +evalsha"
        )
        return
    except ServerError as error:
        yield Finding("wrong", "scripts", f"{place} does not run scripts ({error})", "allow EVAL there")
        return
    if runs_our_scripts(call):
        yield Finding("ok", "scripts", f"{place} runs scripts")
    else:
        yield Finding(
            "wrong", "scripts", f"{place} is too old for scripts with flags", f"use {OLDEST_SERVERS}, or newer"
        )


def _offset_ms(call: Call) -> float:
    """How far the server's clock is ahead of this one's, taking half the way as spent before it was read."""
    before = time.time()
    seconds, microseconds = call("TIME")
    after = time.time()
    return (int(seconds) + int(microseconds) / 1e6 - (before + after) / 2) * 1000


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
