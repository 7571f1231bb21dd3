"""What a redis_url names: one server, the master that Sentinels watch, or a cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode

from redis.backoff import NoBackoff
from redis.connection import Connection as RedisConnection
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry

from core.errors import SettingsError

#: A server that is silent for longer than this counts as lost.
SOCKET_TIMEOUT_S = 15.0
#: Longest wait for a connection to be made.
CONNECT_TIMEOUT_S = 5.0
#: Port of a Sentinel where the URL gives none.
SENTINEL_PORT = 26379

Kind = Literal["server", "sentinel", "cluster"]
Address = tuple[str, int]

#: Query options that count for the Sentinels themselves, with their name on a connection.
_SENTINEL_OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}
#: What Sentinels share with the servers they watch.
_SHARED_OPTIONS = re.compile(r"ssl|socket_|health_check_interval")
#: Options that are not of a connection.
_POOL_OPTIONS = {"connection_class", "max_connections"}
#: Options that name files.
_FILE_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_ca_path")

_PASSWORD_OPTION = re.compile(r"([?&]\w*password=)[^&]*(?:&[^=&]*(?=&|$))*")
_SCHEME = re.compile(r"(rediss?)\+(sentinel|cluster)://(.*)", re.DOTALL)
_FORMS = (
    "send redis://, rediss:// or unix:// with [user:password@]host:port/db, "
    "redis+sentinel://[user:password@]host:port,host:port/service/db or "
    "redis+cluster://[user:password@]host:port,host:port (rediss+... for TLS), special characters of a password "
    "percent-encoded"
)


@dataclass(frozen=True)
class Endpoint:
    """A redis_url as it was read; printed without what may hold a password."""

    url: str = field(repr=False)
    kind: Kind
    options: Mapping[str, Any] = field(repr=False)  #: of a connection to a server, as redis-py names them
    addresses: tuple[Address, ...] = ()  #: of the Sentinels, or of some nodes of the cluster
    service: str = ""  #: the name that the Sentinels know the master by
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)  #: of a connection to a Sentinel

    @property
    def shown(self) -> str:
        """The URL without its passwords."""
        return without_password(self.url)


def read_endpoint(url: str) -> Endpoint:
    """Read a redis_url.

    Raises
    ------
    SettingsError
        A URL that cannot be read, an option or a file of it that is not there; no message shows a password.
    """
    try:
        match = _SCHEME.fullmatch(url)
        if match is None:
            endpoint = Endpoint(url, "server", _with_defaults(_options(url)))
        else:
            endpoint = _several(url, match[1], cast(Kind, match[2]), match[3])
        _check_options(endpoint.options)
    except (ValueError, TypeError) as error:
        # redis-py's words may quote a part of the password
        raise SettingsError(f"redis_url {without_password(url)!r} cannot be read; {_FORMS}") from error
    for name in _FILE_OPTIONS:
        path = endpoint.options.get(name)
        if path is not None and not Path(path).exists():
            raise SettingsError(f"redis_url has {name}={path}, which is not there; correct the path")
    return endpoint


def without_password(url: str) -> str:
    """The URL as logs and messages may show it."""
    # By text, for this also shows URLs that no parser takes. A password may hold "@" and "/", a host may not.
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    rest = _PASSWORD_OPTION.sub(r"\1***", rest)  # first, for such a password may hold "@"
    credentials, at, place = rest.rpartition("@")
    if at and ":" in credentials:
        credentials = credentials.partition(":")[0] + ":***"
    return f"{scheme}{separator}{credentials}{at}{place}"


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise TypeError for an option that no connection knows; else the first command would."""
    of_connection = {name: value for name, value in options.items() if name not in _POOL_OPTIONS}
    options.get("connection_class", RedisConnection)(**of_connection)


def _options(url: str) -> dict[str, Any]:
    """The URL of one server as redis-py reads it."""
    return dict(parse_url(url))  # type: ignore[no-untyped-call]  # redis-py types it not


def _several(url: str, scheme: str, kind: Kind, rest: str) -> Endpoint:
    """A URL of several hosts: each of them is read as redis-py reads one, with all the rest of the URL."""
    place, _, query = rest.partition("?")
    place, _, _ = place.partition("#")
    credentials, at, place = place.rpartition("@")
    hosts, _, path = place.partition("/")
    own = {name: value for name, value in parse_qsl(query) if name in _SENTINEL_OPTIONS}
    options = [(name, value) for name, value in parse_qsl(query) if name not in own]
    service, database = _path(url, kind, path)
    tail = f"/{database}?{urlencode(options, quote_via=quote)}"
    read = [_options(f"{scheme}://{credentials}{at}{host}{tail}") for host in hosts.split(",")]
    default_port = SENTINEL_PORT if kind == "sentinel" else 6379
    if not all("host" in found for found in read):
        raise ValueError("a host is empty")
    addresses = tuple((str(found["host"]), int(found.get("port", default_port))) for found in read)
    shared = {name: value for name, value in read[0].items() if name not in {"host", "port"}}
    if kind == "cluster" and (own or shared.pop("db", 0) != 0):
        raise _not_of_a_cluster(url)
    shared = _with_defaults(shared)
    sentinel = {name: value for name, value in shared.items() if _SHARED_OPTIONS.match(name)}
    sentinel |= {_SENTINEL_OPTIONS[name]: value for name, value in own.items()}
    sentinel |= {"protocol": 2, "retry": shared["retry"], "ssl": scheme == "rediss"}
    return Endpoint(url, kind, shared, addresses, service, sentinel if kind == "sentinel" else {})


def _path(url: str, kind: Kind, path: str) -> tuple[str, int]:
    """Service and database."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if kind == "cluster":
        if parts not in ([""], ["0"]):
            raise _not_of_a_cluster(url)
        return "", 0
    if not parts[0] or len(parts) > 2:
        raise SettingsError(
            f"redis_url {without_password(url)!r} names no service; add the name by which the Sentinels know the "
            "master: redis+sentinel://host:port/service/db"
        )
    return parts[0], int(parts[1]) if len(parts) == 2 else 0


def _not_of_a_cluster(url: str) -> SettingsError:
    return SettingsError(
        f"redis_url {without_password(url)!r} asks a cluster for something it does not have; it has database 0 "
        "alone, and no Sentinels: redis+cluster://[user:password@]host:port,host:port"
    )


def _with_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """What every connection of ours has, whatever the URL says: raw replies, time limits, one attempt."""
    # redis-py begins each connection with two commands that no service's ACL needs to allow. Without any, its pool
    # takes the session tickets of TLS 1.3 for a stray reply; where there is a password, AUTH comes before them.
    needs_first_reply = options.get("connection_class") is SSLConnection and "password" not in options
    return {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        **options,
        "protocol": 2,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        **({} if needs_first_reply else {"driver_info": None}),
    }
