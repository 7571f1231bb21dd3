"""Whether a server can keep what it is given: what it says of itself, and what follows from that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from redis.exceptions import NoPermissionError

from core.connection import Connection, ServerError
from core.errors import UsageError

#: Sends one command to one server and returns its raw reply.
Call = Callable[..., Any]

#: The policy under which a full server refuses writes instead of forgetting keys.
NO_EVICTION = "noeviction"
#: Oldest servers that know every command used here.
OLDEST_SERVERS = "Redis 7.0 or Valkey 7.2"
#: Every script of ours begins with such a line; older servers take it for a syntax error.
_FLAGGED_SCRIPT = "#!lua flags=no-writes\nreturn 1"

_log = logging.getLogger(__name__)


class ServerFacts(msgspec.Struct, frozen=True):
    """What INFO says; None where a server does not say it."""

    name: str  #: ``redis`` or ``valkey``
    version: str
    mode: str | None  #: ``standalone``, ``cluster`` or ``sentinel``
    role: str | None  #: ``master`` or ``slave``
    loading: bool
    maxmemory_policy: str | None
    maxmemory_bytes: int  #: 0: no limit
    used_memory_bytes: int
    aof_enabled: bool

    @property
    def evicts(self) -> bool:
        """Whether the server would delete keys when it is full."""
        return self.maxmemory_policy not in {None, NO_EVICTION}


class Finding(msgspec.Struct, frozen=True):
    """Something about a server that a person should know."""

    level: Literal["refused", "warning"]  #: refused: no service starts on it
    sentence: str


def server_facts(call: Call) -> ServerFacts | None:
    """Ask one server; None where this user may not send INFO."""
    try:
        text = bytes(call("INFO")).decode(errors="replace")
    except NoPermissionError:
        return None
    said = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    valkey = said.get("valkey_version")
    return ServerFacts(
        name="valkey" if valkey else said.get("server_name", "redis"),
        version=valkey or said.get("redis_version", "unknown"),
        mode=said.get("redis_mode", said.get("server_mode")),
        role=said.get("role"),
        loading=said.get("loading", "0") != "0",
        maxmemory_policy=said.get("maxmemory_policy"),
        maxmemory_bytes=int(said.get("maxmemory", "0")),
        used_memory_bytes=int(said.get("used_memory", "0")),
        aof_enabled=said.get("aof_enabled", "0") != "0",
    )


def aof_fsync(call: Call) -> str | None:
    """``always``, ``everysec`` or ``no``; None where this user may not send CONFIG GET, as services may not."""
    try:
        return bytes(call("CONFIG", "GET", "appendfsync")[1]).decode()
    except NoPermissionError:
        return None


def runs_our_scripts(call: Call) -> bool:
    """Whether a server takes scripts with flags; asked, not derived from its version."""
    try:
        call("EVAL", _FLAGGED_SCRIPT, 0)
    except NoPermissionError:
        return True  # not known; the first script says what is missing
    except ServerError as error:
        if "compiling script" not in str(error):
            raise
        return False
    return True


def findings(facts: ServerFacts) -> list[Finding]:
    """What its memory settings mean for a pipeline."""
    if not facts.evicts:
        return []
    policy = f"maxmemory-policy {facts.maxmemory_policy}"
    remedy = "set maxmemory-policy noeviction (CONFIG SET, and in its configuration file)"
    if facts.maxmemory_bytes:
        sentence = (
            f"the server evicts keys when it is full ({policy} at maxmemory {facts.maxmemory_bytes} bytes): "
            f"whole streams with unread records would be lost without a word; {remedy}"
        )
        return [Finding("refused", sentence)]
    sentence = f"the server has {policy} and would lose streams once maxmemory is set; {remedy}"
    return [Finding("warning", sentence)]


def check_servers(connection: Connection) -> None:
    """Refuse a server that would lose data or cannot run the scripts; log what else there is to say.

    Raises
    ------
    UsageError
        One sentence: why, and what to do.
    """
    for call in connection.each_server():
        _check(call)


def _check(call: Call) -> None:
    facts = server_facts(call)
    if not runs_our_scripts(call):
        what = "the server" if facts is None else f"{facts.name} {facts.version}"
        raise UsageError(f"{what} is too old: it runs no scripts with flags; use {OLDEST_SERVERS}, or newer")
    if facts is None:
        _log.warning(
            "this user may not send INFO, so whether the server evicts keys is not known; allow +info, or make "
            "sure that maxmemory-policy is noeviction"
        )
        return
    for finding in findings(facts):
        if finding.level == "refused":
            raise UsageError(finding.sentence)
        _log.warning(finding.sentence)
