"""TLS to Redis: a small pipeline over it, and what is said where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.connection import Connection
from core.entry import entries_of
from core.errors import ServerUnavailable, SettingsError
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from producer.client import Producer
from streamgauge.service_process import ServiceProcess
from tests.scorer.streams import Streams
from tests.security.certificates import Certificates, make_certificates
from tests.security.story import draw
from tests.servers import running_server

PIPELINE = "wine"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def port(redis_server_program: str, certificates: Certificates, tmp_path: Path) -> Iterator[int]:
    """A server that speaks TLS alone and wants to see a client's certificate."""
    with running_server(
        redis_server_program, tmp_path, *certificates.server_options(clients=True), tls=True
    ) as tls_port:
        yield tls_port


def _url(port: int, **options: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"rediss://127.0.0.1:{port}/0?{query}"


def _known(certificates: Certificates) -> dict[str, object]:
    return {
        "ssl_ca_certs": certificates.authority,
        "ssl_certfile": certificates.client,
        "ssl_keyfile": certificates.client_key,
    }


def test_a_pipeline_works_over_tls_with_client_certificates(
    port: int, certificates: Certificates, model_file: ModelFile, tmp_path: Path
) -> None:
    url = _url(port, **_known(certificates))
    options: dict[str, object] = {"redis_url": url, "pipeline": PIPELINE, "http_port": 0, "window_records": 100}
    services = [
        ServiceProcess(module, options, tmp_path / f"{module}.log", shielded=True)
        for module in ("scorer", "monitor")
    ]
    with ExitStack() as stack:
        connection = stack.enter_context(Connection(url))
        RedisRegistry(connection, PipelineKeys(PIPELINE)).promote("0123456789ab", model_file, 0, "first")
        for service in services:
            service.start()
            stack.callback(service.wait)
            stack.callback(service.terminate)
        for service in services:
            service.wait_for("ready")
        producer = stack.enter_context(Producer(url, PIPELINE, block=True))
        producer.send_rows(draw(100, 1)[0])
        producer.send({"a": 1, "b": 2})
        producer.flush()
        streams = Streams(connection, PipelineKeys(PIPELINE))
        streams.await_results({entry.id for entry in streams.entries(streams.partition.records)})
        reply = connection.call("XREAD", "BLOCK", 2_000, "STREAMS", streams.keys.drift, "0-0")
        assert reply, "no window was closed"
        assert len(entries_of(reply[0][1])) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ssl_ca_certs": "strange_authority"}, "ssl_ca_certs"),
        ({"ssl_ca_certs": None}, "ssl_ca_certs"),
        ({"ssl_certfile": None, "ssl_keyfile": None}, "ssl_certfile"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_do(
    port: int, certificates: Certificates, changed: dict[str, str | None], said: str
) -> None:
    options = {
        name: getattr(certificates, changed[name] or "", None) if name in changed else value
        for name, value in _known(certificates).items()
    }
    url = _url(port, **{name: value for name, value in options.items() if value is not None})
    with Connection(url) as connection, pytest.raises(ServerUnavailable, match=said):
        connection.require()


def test_a_certificate_of_another_host_is_refused_with_what_to_do(port: int, certificates: Certificates) -> None:
    url = _url(port, **_known(certificates)).replace("127.0.0.1", "localhost")
    with Connection(url) as connection, pytest.raises(ServerUnavailable, match="a host that stands in it"):
        connection.require()


def test_plain_text_to_a_tls_server_is_refused_with_what_to_do(port: int) -> None:
    with Connection(f"redis://127.0.0.1:{port}/0") as connection, pytest.raises(ServerUnavailable, match="rediss"):
        connection.require()


def test_a_certificate_file_that_is_not_there_is_refused_with_its_path(port: int, tmp_path: Path) -> None:
    with pytest.raises((SettingsError, ServerUnavailable), match=r"nothing\.pem"):
        Connection(_url(port, ssl_ca_certs=tmp_path / "nothing.pem")).require()
