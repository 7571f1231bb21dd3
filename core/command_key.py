"""Which key decides where a command runs on a cluster."""

from __future__ import annotations

from collections.abc import Sequence

Argument = str | bytes | int | float

#: Commands about a server, not about a key.
_KEYLESS = frozenset(
    {
        "ACL",
        "AUTH",
        "BGREWRITEAOF",
        "BGSAVE",
        "CLIENT",
        "CLUSTER",
        "COMMAND",
        "CONFIG",
        "DBSIZE",
        "DEBUG",
        "ECHO",
        "FLUSHALL",
        "FLUSHDB",
        "FUNCTION",
        "HELLO",
        "INFO",
        "LASTSAVE",
        "LATENCY",
        "MODULE",
        "PING",
        "ROLE",
        "SAVE",
        "SCRIPT",
        "SHUTDOWN",
        "SLOWLOG",
        "TIME",
        "WAIT",
        "WAITAOF",
    }
)  # fmt: skip  (as a list of words)
#: Commands whose key stands behind a subcommand.
_WITH_SUBCOMMAND = frozenset(("XGROUP", "XINFO", "OBJECT", "MEMORY"))
_SCRIPTS = frozenset(("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"))


def command_key(arguments: Sequence[Argument]) -> bytes | None:
    """The first key of a command; None where it is about a server. All keys of one command share a hash tag.

    >>> command_key(("XINFO", "GROUPS", "sg:{p:0}:records"))
    b'sg:{p:0}:records'
    >>> command_key(("PING",)) is None
    True
    """
    name = _text(arguments[0]).upper()
    if name in _KEYLESS:
        return None
    if name in _SCRIPTS:
        at = 3 if int(arguments[2]) else len(arguments)
    elif name in {"XREAD", "XREADGROUP"}:
        first = 4 if name == "XREADGROUP" else 1  # a group may be called anything
        at = next((i for i in range(first, len(arguments)) if _text(arguments[i]).upper() == "STREAMS"), 0) + 1
    else:
        at = 2 if name in _WITH_SUBCOMMAND else 1
    return _text(arguments[at]).encode("utf-8", "surrogateescape") if at < len(arguments) else None


def _text(argument: Argument) -> str:
    return argument.decode("utf-8", "surrogateescape") if isinstance(argument, bytes) else str(argument)
