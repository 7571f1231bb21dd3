"""Every form of redis_url, and the sentence for each that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.connection import SSLConnection, UnixDomainSocketConnection

from core.connection import Connection
from core.endpoint import read_endpoint, without_password
from core.errors import SettingsError


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://h", {"host": "h"}),
        ("redis://u:p%40@[::1]:7000/3", {"host": "::1", "port": 7000, "db": 3, "username": "u", "password": "p@"}),
        ("redis://h?db=2&socket_timeout=1.5", {"host": "h", "db": 2, "socket_timeout": 1.5}),
        ("unix:///run/s?db=1", {"path": "/run/s", "db": 1, "connection_class": UnixDomainSocketConnection}),
        ("rediss://h", {"host": "h", "connection_class": SSLConnection}),
        ("rediss://h?ssl_check_hostname=no", {"ssl_check_hostname": False, "connection_class": SSLConnection}),
    ],
)
def test_one_server_is_read_as_redis_py_reads_it(url: str, options: dict[str, object]) -> None:
    endpoint = read_endpoint(url)
    assert endpoint.kind == "server"
    assert {name: endpoint.options[name] for name in options} == options


def test_no_url_changes_what_every_connection_has() -> None:
    options = read_endpoint("redis://h?decode_responses=yes&protocol=3&retry_on_timeout=yes").options
    assert (options["decode_responses"], options["protocol"], options["retry"].get_retries()) == (False, 2, 0)


def test_sentinels_with_every_part() -> None:
    url = "redis+sentinel://u:p%2Fw@a:1,[::1]:2,c/my%20main/5?sentinel_username=su&sentinel_password=s%26p&ssl_x=1"
    with pytest.raises(SettingsError, match="cannot be read"):  # redis-py knows no ssl_x
        read_endpoint(url)
    endpoint = read_endpoint(url.removesuffix("&ssl_x=1"))
    assert endpoint.kind == "sentinel"
    assert endpoint.addresses == (("a", 1), ("::1", 2), ("c", 26379))
    assert endpoint.service == "my main"
    assert {name: endpoint.options[name] for name in ("username", "password", "db")} == {
        "username": "u",
        "password": "p/w",
        "db": 5,
    }
    own = endpoint.sentinel_options
    assert (own["username"], own["password"], own["ssl"]) == ("su", "s&p", False)


def test_sentinels_have_no_password_of_the_servers() -> None:
    endpoint = read_endpoint("redis+sentinel://u:secret@a/main")
    assert "secret" not in str(endpoint.sentinel_options)
    assert endpoint.options["db"] == 0


def test_a_cluster_with_every_part() -> None:
    endpoint = read_endpoint("redis+cluster://u:p@a:1,[::1]:2,c?socket_timeout=3")
    assert endpoint.kind == "cluster"
    assert endpoint.addresses == (("a", 1), ("::1", 2), ("c", 6379))
    assert (endpoint.options["password"], endpoint.options["socket_timeout"]) == ("p", 3.0)
    assert not {"host", "port", "db"} & set(endpoint.options)
    assert read_endpoint("redis+cluster://a:1/0").addresses == (("a", 1),)


@pytest.mark.parametrize("scheme", ["rediss+sentinel", "rediss+cluster"])
def test_tls_options_count_for_servers_and_sentinels(scheme: str, tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.touch()
    tail = f"?ssl_ca_certs={authority}&ssl_check_hostname=no"
    endpoint = read_endpoint(f"{scheme}://a:1/{'main' if 'sentinel' in scheme else ''}{tail}")
    assert endpoint.options["connection_class"] is SSLConnection
    assert endpoint.options["ssl_ca_certs"] == str(authority)
    if endpoint.kind == "sentinel":
        assert endpoint.sentinel_options["ssl"] is True
        assert endpoint.sentinel_options["ssl_ca_certs"] == str(authority)
        assert endpoint.sentinel_options["ssl_check_hostname"] is False


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis+cluster://:secret@a:1/1", "database 0 alone"),
        ("redis+cluster://:secret@a:1?db=2", "database 0 alone"),
        ("redis+cluster://:secret@a:1?sentinel_password=x", "no Sentinels"),
        ("redis+sentinel://:secret@a:1", "names no service"),
        ("redis+sentinel://:secret@a:1/", "names no service"),
        ("redis+sentinel://:secret@a:1/main/x", "cannot be read"),
        ("redis+sentinel://:secret@a:x/main", "cannot be read"),
        ("redis+sentinel://:secret@/main", "cannot be read"),
        ("redis+cluster://:secret@a:1,,b:2", "cannot be read"),
        ("redis+cluster://:secret@a:1?colour=red", "cannot be read"),
        ("redis+other://:secret@a:1", "cannot be read"),
        ("rediss://:secret@a?ssl_ca_certs=/no/such/file", "ssl_ca_certs=/no/such/file, which is not there"),
    ],
)
def test_what_cannot_be_read_is_said_without_a_password(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        Connection(url)
    assert "secret" not in str(caught.value)


def test_no_password_of_several_hosts_is_shown() -> None:
    url = "redis+sentinel://u:secret@a:1,b:2/main?sentinel_password=hidden&db=1"
    assert without_password(url) == "redis+sentinel://u:***@a:1,b:2/main?sentinel_password=***&db=1"
    assert read_endpoint(url).shown == without_password(url)
    assert not any(word in repr(read_endpoint(url)) for word in ("secret", "hidden"))
