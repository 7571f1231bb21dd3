"""The image, built from the Dockerfile without an engine: what is in it; how it runs alone and in its limits.

Sizes and times hang on this machine's Python, which stands where the Dockerfile's base image has its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from producer.client import Producer
from streamgauge.demo import raisin_like
from streamgauge.demo.row_file import LABEL, POSITIVE, write_rows
from tests.ops.containers.compose_file import resolved
from tests.ops.containers.container import Container, Image, Mount, Task
from tests.ops.containers.dockerfile import read_dockerfile
from tests.ops.containers.engine import Engine
from tests.ops.containers.limits import resident_bytes
from tests.ops.containers.project import Project
from tests.ops.tools import CHECKOUT
from tests.scorer.scorer_process import get
from tests.servers import wait_until

#: Building the image counts for the first test.
pytestmark = pytest.mark.timeout(600)

MIB = 1024 * 1024
#: As in docker-compose.yml and in Kubernetes' requests.
SCORER_BYTES, SCORER_CORES = 128 * MIB, 0.1
PLAIN_ROWS, BLOCKS, BLOCK_ROWS = 2_000, 40, 500
PREDICTIONS = PipelineKeys("default").partition(0).predictions
Start = Callable[..., Container]


@pytest.fixture
def start(engine: Engine, image: Image, tmp_path: Path) -> Iterator[Start]:
    """Start a container of the image, hardened as in docker-compose.yml."""
    started: list[Container] = []

    def start_one(*command: str, **more: object) -> Container:
        task = Task(
            service="alone",
            image=image,
            command=command,
            scratch=("/tmp",),  # noqa: S108  (the container's)
            read_only=True,
            unprivileged=True,
        )
        started.append(Container(engine, replace(task, **more), tmp_path / f"log-{len(started)}"))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for each in started:
        each.remove()


def test_every_file_of_the_packages_is_in_the_image(start: Start) -> None:
    found = (
        start("sleep", "1000")
        .execute("sh", "-c", "cd /opt/venv/lib/python3*/site-packages && find . -type f")
        .stdout
    )
    inside = set(found.split())
    stages = read_dockerfile(CHECKOUT / "Dockerfile")
    packages = [text.split()[0] for text in stages[0].texts("COPY") if text.split()[0] == text.split()[-1]]
    assert sorted(packages) == ["core", "monitor", "producer", "scorer", "streamgauge", "trainer"]
    for package in packages:
        for path in (CHECKOUT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"./{path.relative_to(CHECKOUT)}" in inside
    assert not [name for name in inside if name.startswith(("./bench", "./tests", "./pip", "./setuptools"))]
    assert not [name for name in inside if "/tests/" in name]


def test_everything_is_compiled_and_never_looked_at_again(start: Start) -> None:
    script = (
        "import pathlib, sys, importlib.util as u\n"
        "for path in pathlib.Path(sys.prefix, 'lib').rglob('*.py'):\n"
        "    code = pathlib.Path(u.cache_from_source(str(path)))\n"
        "    assert code.read_bytes()[4:8] == bytes([1, 0, 0, 0]), path\n"
    )
    done = start("sleep", "1000").execute("python", "-c", script)
    assert done.returncode == 0, done.stderr


def test_no_step_installs_a_compiler_or_anything_without_a_hash() -> None:
    for stage in read_dockerfile(CHECKOUT / "Dockerfile"):
        for command in stage.texts("RUN"):
            assert not re.search(r"apt|apk|curl|wget|gcc", command)
            for install in re.findall(r"pip [^&]*install[^&]*", command):
                assert "--require-hashes" in install or "dist/*.whl" in install


def test_its_labels_tell_version_and_base() -> None:
    last = read_dockerfile(CHECKOUT / "Dockerfile")[-1]
    labels = last.pairs("LABEL")
    project = (CHECKOUT / "pyproject.toml").read_text()
    assert f'version = "{labels["org.opencontainers.image.version"]}"' in project
    assert labels["org.opencontainers.image.base.name"].endswith(last.base)
    images = {each["image"] for each in resolved(CHECKOUT / "docker-compose.yml")["services"].values()}
    assert f"streamgauge:{labels['org.opencontainers.image.version']}" in images


def test_the_command_is_there_for_everybody(start: Start) -> None:
    container = start("sleep", "1000")
    told = container.execute("streamgauge", "--version")
    assert told.stdout == "0.1.0\n", told.stderr
    helped = [
        container.execute("python", "-m", name, "--help") for name in ("scorer", "monitor", "trainer", "producer")
    ]
    assert [each.returncode for each in helped] == [0] * 4


def test_it_runs_alone_from_a_mounted_model(engine: Engine, start: Start, tmp_path: Path) -> None:
    miniflow = tmp_path / "miniflow"
    write_rows(tmp_path / "rows.csv", [raisin_like.draw_rows(0)])
    fit = [sys.executable, "-m", "streamgauge", "fit", "rows.csv", "--label", LABEL, "--positive", POSITIVE]
    subprocess.run(fit, cwd=tmp_path, check=True, capture_output=True, env={"PYTHONPATH": str(CHECKOUT)})
    container = start(mounts=(Mount(str(miniflow), "/var/lib/streamgauge/miniflow", read_only=True),))
    container.wait_until_healthy()
    row = dict(zip(raisin_like.FEATURES, raisin_like.draw_rows(1)[0][0].tolist(), strict=True))
    url = f"http://{container.address}:8000"
    with engine.inside():
        wait_until(lambda: get(url + "/readyz")[0] == 200, "a ready scorer")
        status, answer = get(url + "/predict", json.dumps(row).encode())
    assert status == 200
    assert set(json.loads(answer)["feature_contrib_logit"]) == set(raisin_like.FEATURES)
    assert container.stop() == 0, container.said()


@pytest.mark.parametrize(("service", "port"), [("monitor", 8001), ("trainer", 8002)])
def test_the_health_check_finds_a_service_at_its_own_port(start: Start, service: str, port: int) -> None:
    environment = {"STREAMGAUGE_REDIS_URL": "redis://127.0.0.1:1/0"}  # alive, and waiting for a server
    container = start("python", "-m", service, environment=environment)
    container.wait_until_healthy()
    assert f":{port}" in container.said()


def test_the_health_check_fails_where_nothing_listens(start: Start) -> None:
    assert not start("sleep", "1000").healthy()


@pytest.mark.parametrize(("mode", "told"), [(0o600, "Permission denied"), (0o644, '"listening"')])
def test_a_secret_is_of_use_where_the_containers_user_may_read_it(
    start: Start, tmp_path: Path, mode: int, told: str
) -> None:
    """Why `streamgauge secrets` closes the folder and not the files: an engine mounts them with owner and mode."""
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "url").write_text("redis://127.0.0.1:1/0")
    (folder / "url").chmod(mode)
    mount = Mount(str(folder / "url"), "/run/secrets/url", read_only=True)
    container = start(mounts=(mount,), environment={"STREAMGAUGE_REDIS_URL_FILE": "/run/secrets/url"})
    wait_until(lambda: told in container.said(), told)


@contextmanager
def scoring(
    engine: Engine, images: dict[str, Image], secrets: Path, folder: Path, scorer_bytes: int
) -> Iterator[Project]:
    """Valkey, a first model, and a scorer on a tenth of a core."""
    file = resolved(CHECKOUT / "docker-compose.yml", {"STREAMGAUGE_SECRETS": str(secrets)})

    def adjust(task: Task) -> Task:
        return replace(task, cores=SCORER_CORES, memory_bytes=scorer_bytes) if task.service == "scorer" else task

    with Project(engine, file, images, folder, adjust) as running:
        running.up(["valkey", "seed"])
        assert running.one("seed").wait() == 0, running.logs()
        running.up(["scorer"])
        yield running


def test_a_scorer_lives_on_a_tenth_of_a_core_and_128_mib(
    engine: Engine, images: dict[str, Image], secrets: Path, tmp_path: Path
) -> None:
    """As another user than root, on a read-only file system, under load; the limits are the kernel's own."""
    with scoring(engine, images, secrets, tmp_path, SCORER_BYTES) as running:
        scorer, host = running.one("scorer"), running.one("valkey").address
        scorer.wait_until_healthy()
        assert scorer.task.read_only
        with engine.inside():
            wait_until(lambda: get(f"http://{scorer.address}:8000/readyz")[0] == 200, "a ready scorer")
            push(secrets, host)
            with Connection(url_of(secrets, "viewer", host)) as server:
                wait_until(lambda: answered(server) == PLAIN_ROWS + BLOCKS, "an answer to every entry")
        assert resident_bytes(scorer.pid) < SCORER_BYTES
        assert scorer.limits.refusal or scorer.limits.throttled > 0  # it had all that it may have, and no more
        assert re.search(r"^Uid:\s+10001\s", Path(f"/proc/{scorer.pid}/status").read_text(), re.MULTILINE)
        assert scorer.stop() == 0, scorer.said()


def test_a_scorer_with_less_memory_than_it_needs_is_killed(
    engine: Engine, images: dict[str, Image], secrets: Path, tmp_path: Path
) -> None:
    """So the limit above is one."""
    with scoring(engine, images, secrets, tmp_path, 24 * MIB) as running:
        if running.one("scorer").limits.refusal:
            pytest.skip(running.one("scorer").limits.refusal)
        assert running.one("scorer").wait() != 0


def url_of(secrets: Path, user: str, host: str) -> str:
    """A user's URL with the server's address."""
    parts = urlsplit((secrets / f"{user}-url").read_text())
    return f"redis://{user}:{parts.password}@{host}:{parts.port}/0"


def push(secrets: Path, host: str) -> None:
    """Records in both forms."""
    url = url_of(secrets, "producer", host)
    x = np.concatenate([raisin_like.draw_rows(seed)[0] for seed in range(1, 25)])
    with Producer(url, "default") as plain:
        for row in x[:PLAIN_ROWS].tolist():
            plain.send(dict(zip(raisin_like.FEATURES, row, strict=True)))
    with Producer(url, "default", block=True, batch_rows=BLOCK_ROWS) as blocks:
        blocks.send_rows(x[: BLOCKS * BLOCK_ROWS])


def answered(server: Connection) -> int:
    """How many entries have their answer."""
    return int(server.call("XLEN", PREDICTIONS))
