"""TLS to a cluster, and to a Sentinel with its master: the same options as for one server."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.connection import CONNECTION_ERRORS, Connection
from core.keys import PipelineKeys
from tests.security.certificates import Certificates, make_certificates
from tests.servers import free_port, running, server_program, wait_until


@pytest.fixture
def program() -> str:
    """The distribution's redis-server: the Valkey of the wheel has no TLS."""
    return server_program("redis")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


def _tls_server(folder: Path, port: int, certificates: Certificates) -> tuple[str, ...]:
    listening = ("--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    return (*listening, *certificates.server_options(clients=False))


def test_a_cluster_over_tls(tmp_path: Path, keys: PipelineKeys, program: str, certificates: Certificates) -> None:
    port = free_port()
    options = ("--tls-cluster", "yes", "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    arguments = (*_tls_server(tmp_path, port, certificates), *options)
    tail = f"?ssl_ca_certs={certificates.authority}"
    with running(tmp_path, *arguments, program=program):
        with Connection(f"rediss://127.0.0.1:{port}{tail}") as node:
            node.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
            wait_until(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"), "a whole cluster")
        with Connection(f"rediss+cluster://127.0.0.1:{port}{tail}").require() as connection:
            assert connection.call("XADD", keys.drift, "1-0", "a", "1") == b"1-0"
            with connection.channel(keys.drift) as channel:
                assert channel.call("XLEN", keys.drift) == 1
        strange = f"rediss+cluster://127.0.0.1:{port}?ssl_ca_certs={certificates.strange_authority}"
        with (
            Connection(strange) as connection,
            pytest.raises(CONNECTION_ERRORS, match="certificate verify failed"),
        ):
            connection.call("PING")


def test_a_sentinel_and_its_master_over_tls_with_passwords(
    tmp_path: Path, keys: PipelineKeys, program: str, certificates: Certificates
) -> None:
    port, sentinel = free_port(), free_port()
    configuration = tmp_path / "sentinel.conf"
    files = certificates.server_options(clients=False)
    pairs = [f"{files[at].removeprefix('--')} {files[at + 1]}" for at in range(0, len(files), 2)]
    listening = ["port 0", f"tls-port {sentinel}", "tls-replication yes", "bind 127.0.0.1", f"dir {tmp_path}"]
    watching = [f"sentinel monitor main 127.0.0.1 {port} 1", "sentinel auth-pass main inner", "requirepass outer"]
    configuration.write_text("\n".join([*pairs, *listening, *watching, ""]), encoding="utf-8")
    data = tmp_path / "data"
    server = (*_tls_server(data, port, certificates), "--requirepass", "inner")
    url = f"rediss+sentinel://:inner@127.0.0.1:{sentinel}/main/2?ssl_ca_certs={certificates.authority}"
    with (
        running(data, *server, program=program),
        running(tmp_path, str(configuration), "--sentinel", ready="+monitor master", program=program),
        Connection(f"{url}&sentinel_password=outer").require() as connection,
        Connection(f"{url}&sentinel_password=wrong") as locked_out,
    ):
        assert connection.call("XADD", keys.drift, "1-0", "a", "1") == b"1-0"
        with connection.channel(keys.drift) as channel:
            assert channel.call("XLEN", keys.drift) == 1
        with pytest.raises(CONNECTION_ERRORS) as caught:
            locked_out.call("PING")
        assert "wrong" not in str(caught.value)
