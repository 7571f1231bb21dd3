"""What the client library raises, sorted by what a caller does about it."""

from __future__ import annotations

import redis

#: What a lost, restarting or loading server raises, and one that is not in charge (any more); services back off
#: and try again.
CONNECTION_ERRORS: tuple[type[Exception], ...] = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
)
#: Any error reply of the server.
ServerError = redis.exceptions.ResponseError
#: Everything that the client library raises.
RedisError = redis.exceptions.RedisError

#: Replies of a server that cannot serve now, though another one can or it soon will.
_NOT_IN_CHARGE = (
    redis.exceptions.ReadOnlyError,  # a master that became a replica
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.AskError,  # MOVED too: another node of the cluster has the key
    redis.exceptions.TryAgainError,
)
#: The same, of which the client library knows nothing: a block ended because the master became a replica; fewer
#: replicas than ``min-replicas-to-write`` are connected.
_NOT_IN_CHARGE_CODES = ("UNBLOCKED ", "NOREPLICAS ")


class NotInCharge(redis.exceptions.ConnectionError):
    """The server that answered is not, or not now, the one that may run the command; it ran nothing."""


def is_not_in_charge(error: BaseException) -> bool:
    """Whether an error reply says that this server is not the one to ask now."""
    return isinstance(error, _NOT_IN_CHARGE) or (
        isinstance(error, ServerError) and str(error).startswith(_NOT_IN_CHARGE_CODES)
    )


def as_raised(error: Exception) -> Exception:
    """An error reply as callers get it: :class:`NotInCharge` for what is waited out as a lost server is."""
    if not is_not_in_charge(error):
        return error
    code = getattr(error, "status_code", None)
    return NotInCharge(f"{code} {error}" if code else str(error))
