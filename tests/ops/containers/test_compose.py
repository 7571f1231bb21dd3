"""docker-compose.yml at work: every service but Grafana as it stands there, under its user, limits and secrets.

Commands, environments, health checks, volumes, networks, host names and ports are those of the file; what
stands in for images of others is told in compose_file.py. Grafana's program cannot be had here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.connection import Connection
from core.entry import field_map
from core.errors import ServerUnavailable
from core.keys import SCORERS, PipelineKeys
from producer.client import Producer
from streamgauge.demo.raisin_like import FEATURES, draw_rows
from streamgauge.demo.row_file import LABEL, POSITIVE, write_rows
from tests.monitor.alerting import an_alert, notification
from tests.ops.containers.compose_file import resolved
from tests.ops.containers.container import Container, Image, Mount
from tests.ops.containers.engine import Engine
from tests.ops.containers.project import Project
from tests.ops.tools import CHECKOUT
from tests.scorer.scorer_process import get
from tests.servers import wait_until

#: Building the image and starting everything count for the first test.
pytestmark = pytest.mark.timeout(600)

KEYS = PipelineKeys("default")
RECORDS, PREDICTIONS = KEYS.partition(0).records, KEYS.partition(0).predictions
SERVICES = ("scorer", "monitor", "trainer", "producer", "prometheus", "alertmanager")


@pytest.fixture(scope="module")
def project(
    engine: Engine, images: dict[str, Image], secrets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """All services, up."""
    file = resolved(CHECKOUT / "docker-compose.yml", {"STREAMGAUGE_SECRETS": str(secrets)})
    with Project(engine, file, images, tmp_path_factory.mktemp("logs")) as running:
        running.up(SERVICES)
        yield running


def connection(project: Project, secrets: Path, user: str) -> Connection:
    """The server as a user reaches it, from a place where names are not resolved."""
    return Connection(address(project, (secrets / f"{user}-url").read_text()))


def address(project: Project, url: str) -> str:
    """A URL with the server's address instead of its name."""
    return url.replace("@valkey:", f"@{project.one('valkey').address}:")


def prediction_of(server: Connection, record_id: bytes) -> dict[bytes, bytes]:
    """The result of a record, waited for."""
    found: list[dict[bytes, bytes]] = []

    def answered() -> bool:
        for entry in server.call("XREVRANGE", PREDICTIONS, "+", "-", "COUNT", 5_000):
            fields = field_map(entry[1])
            if fields.get(b"id") == record_id:
                found.append(fields)
        return bool(found)

    wait_until(answered, f"a prediction of {record_id!r}")
    (one,) = found
    return one


def consumers(server: Connection) -> set[bytes]:
    """The scorers that are there."""
    return {field_map(each)[b"name"] for each in server.call("XINFO", "CONSUMERS", RECORDS, SCORERS)}


def test_every_service_becomes_healthy(project: Project) -> None:
    for containers in project.containers.values():
        for each in containers:
            if each.task.service not in {"seed", "producer"}:
                each.wait_until_healthy()


def test_every_service_can_do_its_work(engine: Engine, project: Project) -> None:
    """Ready: with its user on the server, and a model where it needs one."""
    for name, port in (("scorer", 8000), ("monitor", 8001), ("trainer", 8002)):
        for each in project.containers[name]:
            url = f"http://{each.address}:{port}/readyz"
            with engine.inside():
                wait_until(lambda url=url: get(url)[0] == 200, f"a ready {name}")  # type: ignore[misc]


def test_the_trainer_has_the_runs_of_the_seed_and_may_write_beside_them(project: Project) -> None:
    trainer, runs = project.one("trainer"), "/var/lib/streamgauge/miniflow"
    assert "registry.json" in trainer.execute("ls", runs).stdout
    assert trainer.execute("touch", f"{runs}/registry.lock").returncode == 0


def test_a_record_pushed_by_the_producers_user_comes_out_predicted(
    engine: Engine, project: Project, secrets: Path
) -> None:
    rows, _ = draw_rows(12_345)
    url = address(project, (secrets / "producer-url").read_text())
    with engine.inside(), connection(project, secrets, "viewer") as server:
        with Producer(url, "default") as producer:
            producer.send(dict(zip(FEATURES, rows[0].tolist(), strict=True)), id="pushed-by-hand")
        fields = prediction_of(server, b"pushed-by-hand")
        contributions = json.loads(fields[b"contrib"])
        assert set(contributions) == set(FEATURES)
        logit = float(fields[b"bias"]) + sum(contributions.values())
        assert float(fields[b"logit"]) == pytest.approx(logit, abs=1e-9)


def test_the_demo_gives_a_newcomer_something_to_see(engine: Engine, project: Project, secrets: Path) -> None:
    assert "rows to push" in project.one("seed").said()
    with engine.inside(), connection(project, secrets, "viewer") as server:
        wait_until(lambda: int(server.call("XLEN", PREDICTIONS)) > 100, "a hundred predictions")
    assert project.one("producer").running()


def test_three_scorers_share_the_stream(engine: Engine, project: Project, secrets: Path) -> None:
    project.scale("scorer", 3)
    for each in project.containers["scorer"]:
        each.wait_until_healthy()
    with engine.inside(), connection(project, secrets, "viewer") as server:
        wait_until(lambda: len(consumers(server)) == 3, "three consumers")
        for each in project.containers["scorer"]:
            wait_until(lambda each=each: get(f"http://{each.address}:8000/readyz")[0] == 200, "a ready scorer")  # type: ignore[misc]
        wait_until(lambda: all(scored(each) > 0 for each in project.containers["scorer"]), "records for each")


def scored(scorer: Container) -> float:
    """How many records one scorer has answered."""
    text = get(f"http://{scorer.address}:8000/metrics")[1].decode()
    return sum(
        float(value) for value in re.findall(r"^streamgauge_records_scored_total{.*} (\S+)$", text, re.MULTILINE)
    )


def test_prometheus_reaches_every_service_by_its_name(engine: Engine, project: Project) -> None:
    watch = next(value for name, value in project.one("prometheus").addresses.items() if name == "watch")

    def up() -> set[str]:
        body = json.loads(get(f"http://{watch}:9090/api/v1/query?query=up==1")[1])
        return {each["metric"]["job"] for each in body["data"]["result"]}

    with engine.inside():
        wait_until(lambda: up() >= {"scorer", "monitor", "trainer"}, "targets that are up")


def test_an_alert_posted_from_alertmanager_asks_to_retrain(project: Project, secrets: Path) -> None:
    """With the token that is mounted there, and written by the monitor's own user of the server."""
    alertmanager = project.one("alertmanager")
    assert (
        alertmanager.execute("cat", "/run/secrets/alerts-token").stdout == (secrets / "alerts-token").read_text()
    )
    for head, status in (("'Bearer ' + token", 200), ("'Bearer ' + 'x' * 64", 401)):
        script = (
            "import sys, urllib.error, urllib.request as u\n"
            "token = open('/run/secrets/alerts-token').read()\n"
            f"head = {{'Content-Type': 'application/json', 'Authorization': {head}}}\n"
            "asked = u.Request('http://monitor:8001/alerts', sys.stdin.read().encode(), head)\n"
            "try:\n    print(u.urlopen(asked).status)\n"
            "except urllib.error.HTTPError as error:\n    print(error.code, error.read())\n"
        )
        done = alertmanager.execute("/usr/bin/python3", "-c", script, stdin=json.dumps(notification([an_alert()])))
        assert done.stdout.startswith(str(status)), done.stdout + done.stderr


def test_the_documented_commands_work_in_a_container(engine: Engine, project: Project, tmp_path: Path) -> None:
    """``docker compose run --rm --no-deps seed streamgauge ...``, as the page has it."""
    write_rows(tmp_path / "rows.csv", [draw_rows(7)])
    seed = project.one("seed").task
    assert "/run/secrets/operator-url" in {mount.target for mount in seed.mounts}
    mounts = (*seed.mounts, Mount(str(tmp_path / "rows.csv"), "/rows.csv", read_only=True))
    fit = ("streamgauge", "fit", "/rows.csv", "--label", LABEL, "--positive", POSITIVE)
    for number, command in enumerate((fit, ("streamgauge", "runs"), ("streamgauge", "groups"))):
        task = replace(seed, command=command, mounts=mounts, healthcheck=())
        container = Container(engine, task, tmp_path / f"log-{number}")
        try:
            assert container.wait() == 0, container.said()
        finally:
            container.remove()


def test_who_need_not_reach_the_server_does_not(project: Project) -> None:
    script = "import socket,sys; socket.create_connection((sys.argv[1], 6379), 2)"
    inside = project.one("monitor").execute("/usr/bin/python3", "-c", script, "valkey")
    outside = project.one("prometheus").execute("/usr/bin/python3", "-c", script, "valkey")
    assert inside.returncode == 0, inside.stderr
    assert "Name or service not known" in outside.stderr or "gaierror" in outside.stderr


def test_nobody_logs_in_without_a_password(engine: Engine, project: Project, secrets: Path) -> None:
    host = project.one("valkey").address
    with engine.inside(), Connection(f"redis://{host}:6379/0") as server, pytest.raises(ServerUnavailable):
        server.require()
    password = urlsplit((secrets / "viewer-url").read_text()).password
    url = f"redis://scorer:{password}@{host}:6379/0"
    with engine.inside(), Connection(url) as server, pytest.raises(ServerUnavailable):
        server.require()


def test_the_server_has_what_its_file_says(engine: Engine, project: Project, secrets: Path) -> None:
    with engine.inside(), connection(project, secrets, "viewer") as server:
        said = bytes(server.call("INFO")).decode()
    for fact in ("aof_enabled:1", "maxmemory:2147483648", "maxmemory_policy:noeviction"):
        assert fact in said


def test_no_secret_is_in_an_environment_a_command_line_or_a_log(project: Project, secrets: Path) -> None:
    words = {path.read_text() for path in secrets.iterdir() if "password" in path.name or "token" in path.name}
    words |= {urlsplit(path.read_text()).password or "" for path in secrets.glob("*-url")}
    for containers in project.containers.values():
        for each in containers:
            told = each.said()
            if each.running():
                told += (
                    Path(f"/proc/{each.pid}/environ").read_text() + Path(f"/proc/{each.pid}/cmdline").read_text()
                )
            assert not [word for word in words if word in told], each.name


def test_files_of_the_image_cannot_be_written(project: Project) -> None:
    for name in ("scorer", "monitor", "trainer"):
        container = project.containers[name][0]
        for place in ("/opt/venv/x", "/var/lib/streamgauge/x", "/etc/x", "/run/secrets/x"):
            assert "Read-only" in container.execute("touch", place).stderr
        assert container.execute("touch", "/tmp/x").returncode == 0  # noqa: S108  (the container's)
        status = Path(f"/proc/{container.pid}/status").read_text()
        assert re.search(r"^Uid:\s+10001\s+10001", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
        assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)


def test_a_stop_ends_each_service_in_order_and_what_was_acknowledged_stays(
    engine: Engine, project: Project, secrets: Path
) -> None:
    """Last: what was up is not any more."""
    scorers = project.containers["scorer"]
    for each in scorers[1:]:
        assert each.stop() == 0, each.said()
        assert '"stopped"' in each.said()
    with engine.inside(), connection(project, secrets, "viewer") as server:
        wait_until(lambda: len(consumers(server)) == 1, "a single consumer")
    for name in ("monitor", "trainer"):
        assert project.one(name).stop() == 0, project.one(name).said()
    with engine.inside(), connection(project, secrets, "viewer") as server:
        before = int(server.call("XLEN", PREDICTIONS))
    assert project.one("valkey").stop() == 0, project.one("valkey").said()
    project.replace("valkey")
    project.one("valkey").wait_until_healthy()
    with engine.inside(), connection(project, secrets, "viewer") as server:
        assert int(server.call("XLEN", PREDICTIONS)) >= before > 0
