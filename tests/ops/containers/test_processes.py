"""docker-compose.yml at work without any right: what is left to check where the kernel allows no containers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.connection import Connection
from core.keys import SCORERS, PipelineKeys
from producer.client import Producer
from streamgauge.demo.raisin_like import FEATURES, draw_rows
from streamgauge.secrets.folder import write_secrets
from tests.ops.containers.compose_file import resolved
from tests.ops.containers.limits import Limits
from tests.ops.containers.processes import Processes
from tests.ops.containers.shortcomings import SHORTCOMINGS
from tests.ops.tools import CHECKOUT, OPS, program
from tests.scorer.scorer_process import get
from tests.servers import wait_until

PARTITION = PipelineKeys("default").partition(0)


def test_a_record_comes_out_predicted_and_three_scorers_share_the_stream(tmp_path: Path) -> None:
    write_secrets(tmp_path / "secrets", "default", "valkey")
    file = resolved(CHECKOUT / "docker-compose.yml", {"STREAMGAUGE_SECRETS": str(tmp_path / "secrets")})
    with Processes(file, tmp_path) as processes:
        ports = {name: processes.start(name) for name in ("scorer", "monitor", "trainer", "producer")}
        scorers = [ports["scorer"], processes.start("scorer"), processes.start("scorer")]

        def url(user: str) -> str:
            text = (tmp_path / "secrets" / f"{user}-url").read_text()
            return text.replace("@valkey:6379", f"@127.0.0.1:{processes.valkey_port}")

        for name in ("scorer", "monitor", "trainer"):
            processes.wait_until_healthy(name)
        for port in (*scorers, ports["monitor"], ports["trainer"]):
            wait_until(lambda port=port: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, "a ready service")  # type: ignore[misc]
        with Producer(url("producer"), "default") as producer:
            producer.send(dict(zip(FEATURES, draw_rows(9)[0][0].tolist(), strict=True)), id="by-hand")
        with Connection(url("viewer")) as server:
            wait_until(
                lambda: b"by-hand" in b" ".join(_words(server.call("XREVRANGE", PARTITION.predictions, "+", "-"))),
                "a prediction",
            )
            assert len(server.call("XINFO", "CONSUMERS", PARTITION.records, SCORERS)) == 3
        for name in ("scorer", "monitor", "trainer"):
            assert max(processes.resident_bytes(name)) < int(file["services"][name]["mem_limit"])
        assert "rows to push" in processes.said("seed")
        for name, count in (("scorer", 3), ("monitor", 1), ("trainer", 1)):
            assert processes.stop(name) == [0] * count


def _words(entries: list[tuple[bytes, list[bytes]]]) -> list[bytes]:
    return [word for _, fields in entries for word in fields]


def test_where_the_kernel_forbids_containers_the_summary_says_what_ran_instead() -> None:
    """The tests themselves, without the right to mount anything."""
    asked = OPS / "containers" / "test_image.py"
    without = [program("setpriv"), "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"]
    done = subprocess.run(
        [
            *(map(str, without) if os.geteuid() == 0 else []),
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(asked), "-k", "nothing_listens"),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout
    assert "NOT CHECKED HERE: name spaces and mounts are forbidden here" in done.stdout


def test_where_no_control_group_can_be_made_the_summary_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.ops.containers.limits._ROOT", tmp_path / "none")
    before = list(SHORTCOMINGS)
    limits = Limits("none", 1, 0.1)
    assert "control groups cannot be made here" in limits.refusal
    assert limits.refusal in SHORTCOMINGS[-1]
    assert limits.folders == []
    limits.remove()
    SHORTCOMINGS[:] = before
