"""Services that die are started again, whenever they die, and their settings are nobody else's to read."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from core.connection import Connection
from core.entry import field_map
from core.keys import PipelineKeys
from streamgauge.local_pipeline import LocalPipeline


def monitor_pid(local: LocalPipeline) -> int:
    service = next(service for service in local.services if service.module == "monitor")
    assert service.pid is not None
    return service.pid


def test_a_successor_that_dies_while_it_starts_is_started_again(
    server_url: str, connection: Connection, pipeline: str, keys: PipelineKeys, tmp_path: Path
) -> None:
    options: dict[str, object] = {"pipeline": pipeline, "miniflow": tmp_path / "miniflow"}
    said: list[str] = []
    with LocalPipeline(server_url, tmp_path, options=options, first_http_port=0).start("listening") as local:
        killed: set[int] = set()
        while len(killed) < 2 or monitor_pid(local) in killed:
            pid = monitor_pid(local)
            if pid not in killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            local.revive(said.append)
            connection.call("XREAD", "BLOCK", 20, "STREAMS", "nothing", "$")
        for service in local.services:
            if service.module == "monitor":
                service.wait_for("listening")
        assert all(service.running() for service in local.services)
    assert len(said) >= 2
    assert all("monitor" in sentence for sentence in said)
    assert field_map(connection.call("HGETALL", keys.config))[b"partitions"] == b"1"


def test_a_password_is_in_no_command_line(server_url: str, tmp_path: Path, pipeline: str) -> None:
    secret = "s3cret"  # noqa: S105  (made up; the server has none and would ignore it)
    url = server_url.replace("redis://", f"redis://default:{secret}@")
    options: dict[str, object] = {"pipeline": pipeline}
    with LocalPipeline(url, tmp_path, options=options, first_http_port=0).start("listening") as local:
        lines = [Path(f"/proc/{service.pid}/cmdline").read_bytes() for service in local.services]
    assert len(lines) == 3
    assert all(b"-m" in line and secret.encode() not in line for line in lines)
    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert secret not in logs
