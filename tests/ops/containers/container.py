"""One container: a process with an image's files below it, and mounts, user and limits of a compose service."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.ops.containers.engine import Engine, children
from tests.ops.containers.limits import Limits
from tests.ops.tools import program
from tests.servers import PATIENCE_S, wait_until


@dataclass(frozen=True)
class Mount:
    """A file or folder at a place in the container."""

    source: str  #: a path of this machine, or the name of a volume
    target: str
    volume: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Image:
    """What a container is made of: layers above the machine's own files, and what runs unless told otherwise."""

    layer: str
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"


@dataclass(frozen=True)
class Task:
    """How a container of a service is to be run."""

    service: str
    image: Image
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    mounts: tuple[Mount, ...] = ()
    scratch: tuple[str, ...] = ()  #: folders in memory
    networks: tuple[str, ...] = ("default",)
    read_only: bool = False
    unprivileged: bool = False  #: no capabilities, no new privileges
    healthcheck: tuple[str, ...] = ()
    memory_bytes: int | None = None
    cores: float | None = None


class Container:
    """A running container; its process is number 1 of its own process name space, as with other engines."""

    def __init__(self, engine: Engine, task: Task, log: Path) -> None:
        self.engine, self.task, self.log = engine, task, log
        self.name = f"{task.service}-{engine.serial()}"
        self._root = engine.path("roots", self.name)
        self.addresses = engine.connect(self.name, task.service, list(task.networks))
        self.limits = Limits(f"streamgauge-{os.getpid()}-{self.name}", task.memory_bytes, task.cores)
        engine.must("\n".join(self._mounts()))
        proc = f"mount -t proc proc {self._root}/proc"
        script = "\n".join(
            [*self._join(), proc, f"exec chroot {self._root} {shlex.join(self._inner(self._line()))}"]
        )
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [
                    *engine.command(),
                    *("nsenter", f"--net=/run/netns/{self.name}"),
                    *("unshare", "--pid", "--fork", "--kill-child", "sh", "-ec", script),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The container's process, as this machine numbers it; waited for, since it is started last."""
        found: list[int] = []

        def started() -> bool:
            assert self.running(), f"{self.name} ended:\n{self.said()}"
            line = self._line_of_descent()
            found[:] = [pid for pid in line if len(_numbers(pid)) == 3 and not self.engine.has_its_root(pid)]
            return bool(found)

        wait_until(started, f"the process of {self.name}")
        return found[0]

    @property
    def address(self) -> str:
        """Its address in its first network."""
        return next(iter(self.addresses.values()))

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    def execute(self, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as its user and within its limits."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "-r", *self._inner(command)]
        return subprocess.run(
            [program("sh"), "-ec", "\n".join([*self._join(), f"exec {shlex.join(enter)}"])],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def healthy(self) -> bool:
        """Whether the health check passes; fails where the container has ended."""
        assert self.running(), f"{self.name} ended:\n{self.said()}"
        check = self.task.healthcheck or self.task.image.healthcheck
        assert check, f"{self.name} has no health check"
        return self.execute(*check).returncode == 0

    def wait_until_healthy(self) -> None:
        """Wait for the health check to pass."""
        wait_until(self.healthy, f"a healthy {self.name}")

    def wait(self) -> int:
        """Wait for the end; the exit status."""
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end:\n{self.said()}") from None

    def stop(self) -> int:
        """Stop it as engines do; the exit status."""
        if self.running():
            os.kill(self.pid, signal.Signals[self.task.image.stop_signal])
        return self.wait()

    def remove(self) -> None:
        """End it at once, if it still runs, and take away what it had."""
        if self.running():
            for pid in reversed(self._line_of_descent()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.wait()
        self.limits.remove()
        self.engine.must(f"umount -R -l {self._root}")
        self.engine.disconnect(self.name, self.task.service, self.addresses)

    def _line_of_descent(self) -> list[int]:
        """The processes from the first one that was started here to the container's own."""
        line = [self._process.pid]
        with suppress(FileNotFoundError, ProcessLookupError):
            while len(_numbers(line[-1])) < 3 and (below := children(line[-1])):
                line += below
        return line

    def _join(self) -> list[str]:
        """Commands that put a shell into the container's groups."""
        return [f"echo $$ > {folder}/cgroup.procs" for folder in self.limits.folders]

    def _line(self) -> tuple[str, ...]:
        return (*self.task.image.entrypoint, *(self.task.command or self.task.image.command))

    def _mounts(self) -> list[str]:
        """Commands that lay out the container's files."""
        root, own = self._root, self.engine.path("own", self.name)
        layers = f"lowerdir={self.task.image.layer}:/,upperdir={own}/up,workdir={own}/work"
        lines = [
            f"mkdir -p {root} {own}/up {own}/work",
            f"mount -t overlay overlay -o {layers} {root}",
            f"mount --bind {root} {root}",  # a mount of its own, made read-only without what is mounted below it
            f"mount --rbind /dev {root}/dev",
        ]
        mounts = (*self.task.mounts, Mount(self.engine.path(self.name + ".resolv"), "/etc/resolv.conf"))
        lines += [
            f"mkdir -p {root}{folder} && mount -t tmpfs -o mode=1777 tmpfs {root}{folder}"
            for folder in self.task.scratch
        ]
        for mount in mounts:
            target = root + mount.target
            source = self.engine.path("volumes", mount.source) if mount.volume else mount.source
            if mount.volume:  # a new one takes owner and mode of what the image has there
                lines.append(
                    f"mkdir -p {target}\nif ! [ -d {source} ]; then mkdir -p {source}; "
                    f"chown --reference={target} {source}; chmod --reference={target} {source}; fi"
                )
            else:
                lines.append(
                    f"if [ -d {source} ]; then mkdir -p {target}; else mkdir -p {Path(target).parent}; "
                    f"[ -e {target} ] || : > {target}; fi"
                )
            lines.append(f"mount --bind {source} {target}")
            if mount.read_only:
                lines.append(f"mount -o remount,bind,ro {target}")
        if self.task.read_only:
            lines.append(f"mount -o remount,bind,ro {root}")
        return lines

    def _inner(self, command: tuple[str, ...]) -> list[str]:
        """A command line with user, rights, folder and environment of the container."""
        task = self.task
        user, _, group = (task.user or task.image.user).partition(":")
        rights = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if task.unprivileged else []
        environment = {**task.image.environment, **task.environment}
        return [
            *("env", "-i", f"--chdir={task.image.folder}"),
            *(f"{name}={value}" for name, value in environment.items()),
            *("setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", *rights, "--"),
            *command,
        ]


def _numbers(pid: int) -> list[int]:
    """A process's numbers, from this machine's name space to its own."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid:")]
    return [int(each) for each in line.split()[1:]]
