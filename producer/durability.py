"""How safe a record is before it counts as sent: what WAITAOF is asked, and what its answers mean."""

from __future__ import annotations

from typing import Any, Literal, get_args

from core.channel import Channel
from core.connection import RedisError, ServerError
from core.errors import SettingsError

#: ``server``: as the server persists by itself; ``fsync``: on its disk; ``replica``: on that of a replica, too.
Durability = Literal["server", "fsync", "replica"]

#: How long one WAITAOF waits; below the socket timeout. It is asked again until the answer is yes.
WAITAOF_MS = 1_000
#: How long a starting producer waits for a replica to confirm a write: it fsyncs once a second.
_FIRST_REPLICA_MS = 5_000


def checked_durability(durability: str) -> Durability:
    """The level of that name. Raises SettingsError for another."""
    for level in get_args(Durability):
        if durability == level:
            return level  # type: ignore[no-any-return]  # get_args is untyped
    raise SettingsError(f"durability is {durability!r}; choose {', '.join(get_args(Durability))}")


def ask(channel: Channel, durability: Durability, timeout_ms: int = WAITAOF_MS) -> None:
    """Ask whether what this connection wrote is durable; :func:`is_durable` reads the answer.

    It speaks only of what this very connection wrote, and not from inside a script.
    """
    channel.submit("WAITAOF", 1, 1 if durability == "replica" else 0, timeout_ms)


def is_durable(reply: Any, durability: Durability) -> bool:
    """Whether both numbers, disks of this server and of replicas, are what was asked."""
    local, replicas = int(reply[0]), int(reply[1])
    return local >= 1 and replicas >= (1 if durability == "replica" else 0)


def require_durability(channel: Channel, durability: Durability, sequence_key: str) -> None:
    """Check that the server can promise it; the command is tried, for versions do not tell.

    Parameters
    ----------
    sequence_key
        Set to 0, which is as good as absent, so that there is a write for a replica to confirm.

    Raises
    ------
    SettingsError
        One sentence: why it cannot.
    redis.exceptions.RedisError
        The connection is lost.
    """
    if durability == "server":
        return
    try:
        if durability == "replica":
            channel.call("SET", sequence_key, 0, "EX", 60)
        ask(channel, durability, _FIRST_REPLICA_MS if durability == "replica" else 1)
        confirmed = int(channel.collect()[1])
    except ServerError as error:
        raise refusal(error, durability) from error
    if durability == "replica" and not confirmed:
        raise SettingsError(
            'durability "replica" needs a replica with appendonly yes, and none confirmed a write to its disk; '
            'start one, or choose durability "fsync"'
        )


def refusal(error: RedisError, durability: Durability) -> SettingsError:
    """The sentence for an error reply to WAITAOF."""
    text = str(error)
    if "unknown command" in text:
        why = "which this server does not have; use Valkey or Redis 7.2 and newer"
    elif "appendonly" in text:
        why = "and this server has appendonly off; set appendonly yes"
    else:
        why = f"which the server refuses ({text}); allow it"
    return SettingsError(f'durability "{durability}" needs WAITAOF, {why}, or choose durability "server"')
