"""The StatefulSet's server started as a process: its arguments, its ACL file, and the commands of its probes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.connection import Connection
from streamgauge.secrets.folder import write_secrets
from tests.ops.k8s.rendered import Rendered, pod_of
from tests.servers import free_port, running, server_program

#: Stands for valkey-cli, which no package here has: Redis' own client.
_CLIENT = """\
#!/bin/sh
exec redis-cli -p {port} "$@"
"""


@pytest.fixture
def container(rendered: dict[str, Rendered]) -> dict[str, Any]:
    """The server's container."""
    valkey = rendered["dev"].find("StatefulSet", "valkey")
    assert valkey is not None
    container: dict[str, Any] = pod_of(valkey)["containers"][0]
    return container


@pytest.fixture
def port(container: dict[str, Any], tmp_path: Path) -> Iterator[int]:
    """The server, its paths mapped into the test's own folder."""
    write_secrets(tmp_path / "secrets", "default", "valkey")
    (tmp_path / "data").mkdir()
    assert container["command"] == ["valkey-server"]
    port = free_port()
    arguments = [
        argument.replace("/run/secrets/valkey", f"{tmp_path}/secrets").replace("/data", f"{tmp_path}/data")
        for argument in container["args"]
    ]
    with running(tmp_path, *arguments, "--port", str(port), program=server_program("valkey")):
        client = tmp_path / "bin" / "valkey-cli"
        client.parent.mkdir()
        client.write_text(_CLIENT.format(port=port), encoding="utf-8")
        client.chmod(0o755)
        yield port


def ready(container: dict[str, Any], folder: Path) -> bool:
    """What the readiness probe says."""
    shell, option, script = container["readinessProbe"]["exec"]["command"]
    script = script.replace("/run/secrets/valkey", f"{folder}/secrets")
    environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    return subprocess.run([shell, option, script], env=environment, check=False, timeout=30).returncode == 0


def test_the_readiness_probe_logs_in_and_asks(
    container: dict[str, Any], port: int, tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    assert tool("redis-cli").exists()
    assert port
    assert ready(container, tmp_path)
    (tmp_path / "secrets" / "healthcheck-password").write_text("wrong", encoding="utf-8")
    assert not ready(container, tmp_path)


def test_a_service_logs_in_with_the_url_of_its_secret_and_finds_a_server_that_keeps_what_it_is_given(
    port: int, tmp_path: Path
) -> None:
    url = (
        (tmp_path / "secrets" / "scorer-url")
        .read_text(encoding="utf-8")
        .replace("valkey:6379", f"127.0.0.1:{port}")
    )
    with Connection(url) as connection:
        said = bytes(connection.call("INFO")).decode()
    for line in ("maxmemory:2147483648", "maxmemory_policy:noeviction", "aof_enabled:1"):
        assert line in said
