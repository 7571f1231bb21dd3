"""The services of docker-compose.yml, started as ``docker compose up`` would: first what others depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.ops.containers.compose_file import task_of
from tests.ops.containers.container import Container, Image, Task
from tests.ops.containers.engine import Engine


class Project:
    """Containers of a resolved compose file.

    Parameters
    ----------
    images
        By the name that the file gives, without the tag; a service whose image is not there cannot be run.
    folder
        Where logs go.
    adjust
        Changes a task before it is run, for what a test is about.
    """

    def __init__(
        self,
        engine: Engine,
        resolved: dict[str, Any],
        images: dict[str, Image],
        folder: Path,
        adjust: Callable[[Task], Task] = lambda task: task,
    ) -> None:
        self._engine, self._resolved, self._images, self._folder = engine, resolved, images, folder
        self._adjust, self._number = adjust, engine.serial()
        self.containers: dict[str, list[Container]] = {}

    def up(self, names: Iterable[str]) -> None:
        """Start services and what they depend on, each when the conditions of its dependencies hold."""
        for name in names:
            self._start(name)

    def scale(self, name: str, count: int) -> None:
        """Start containers of a service until there are so many."""
        while len(self.containers[name]) < count:
            self._add(name)

    def replace(self, name: str) -> None:
        """Remove the container of a service and start another on the same volumes."""
        self.one(name).remove()
        self.containers[name] = []
        self._add(name)

    def one(self, name: str) -> Container:
        """The only container of a service."""
        (container,) = self.containers[name]
        return container

    def logs(self) -> str:
        """What all of them said."""
        return "\n".join(
            f"{each.name}:\n{each.said()}" for containers in self.containers.values() for each in containers
        )

    def _start(self, name: str) -> None:
        if name in self.containers:
            return
        for other, how in self._resolved["services"][name].get("depends_on", {}).items():
            self._start(other)
            if how["condition"] == "service_healthy":
                self.one(other).wait_until_healthy()
            elif how["condition"] == "service_completed_successfully":
                assert self.one(other).wait() == 0, self.one(other).said()
        self._add(name)

    def _add(self, name: str) -> None:
        service = self._resolved["services"][name]
        task = task_of(name, service, self._resolved["secrets"], self._images[service["image"].split(":")[0]])
        mounts = tuple(
            replace(each, source=f"{self._number}-{each.source}") if each.volume else each for each in task.mounts
        )
        task = self._adjust(replace(task, mounts=mounts))
        containers = self.containers.setdefault(name, [])
        containers.append(Container(self._engine, task, self._folder / f"{name}-{len(containers) + 1}.log"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for containers in reversed(self.containers.values()):
            for each in containers:
                each.remove()
