"""The services under attack: started, hurt and watched as processes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.chaos.pusher import STARTED, Task
from streamgauge.service_process import ServiceProcess

#: A service that was asked to end and has not after so long hangs.
LEAVE_S = 30.0
#: What a log shows of an exception that nobody caught.
TRACEBACK = "Traceback (most recent call last)"
#: Exit status of a service that leaves with a sentence for a person.
REFUSED = 2


@dataclass(eq=False)
class Member:
    """One process of the fleet, through all its lives."""

    name: str
    kind: str
    process: ServiceProcess
    up: bool = False  #: it should be running
    paused: bool = False
    leaving_since_s: float | None = None  #: asked to end
    dismissed: bool = False  #: once it has ended it is not started again
    starts: int = 0
    log_from: int = 0  #: where the log of the present life begins

    @property
    def pid(self) -> int:
        """The present process."""
        return self.process.pid or 0


@dataclass
class Fleet:
    """All service processes of a run.

    ``unasked`` gathers what must not happen: exits that nobody caused, and requests to end that were not followed.
    """

    folder: Path
    options: dict[str, object]
    say: Callable[[str], None]
    members: list[Member] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    refusals: int = 0
    #: Whether what all services agree on is damaged now: then a service that starts refuses, as documented.
    damaged: Callable[[], bool] = lambda: False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, kind: str) -> Member:
        """Start one more service."""
        name = f"{kind}-{next(self._numbers)}"
        member = Member(name, kind, ServiceProcess(kind, self.options, self.folder / f"{name}.log", shielded=True))
        self.members.append(member)
        self.start(member)
        return member

    def start(self, member: Member) -> None:
        """Start it, or start it again."""
        log = member.process.log_path
        member.log_from = log.stat().st_size if log.exists() else 0
        member.process.start()
        member.up, member.paused, member.leaving_since_s = True, False, None
        member.starts += 1

    def running(self, kind: str) -> list[Member]:
        """Those of one kind that are up, neither paused nor leaving."""
        return [
            member
            for member in self.members
            if member.kind == kind and member.up and not member.paused and member.leaving_since_s is None
        ]

    def kill(self, member: Member) -> None:
        """kill -9."""
        self.watch()
        member.up = member.paused = False
        self._signal(member, signal.SIGKILL)
        member.process.wait()

    def terminate(self, member: Member) -> None:
        """SIGTERM, once; :meth:`watch` sees that it follows."""
        if member.leaving_since_s is None:
            member.leaving_since_s = time.monotonic()
            self._signal(member, signal.SIGTERM)

    def pause(self, member: Member) -> None:
        """SIGSTOP."""
        member.paused = True
        self._signal(member, signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        """SIGCONT; harmless for one that died meanwhile."""
        if member.paused:
            member.paused = False
            self._signal(member, signal.SIGCONT)

    def watch(self) -> None:
        """See who ended: as asked, refusing as documented, or by itself."""
        for member in self.members:
            if member.up and not member.process.running():
                self._ended(member)
            elif (
                member.leaving_since_s is not None
                and member.up
                and time.monotonic() - member.leaving_since_s > LEAVE_S
            ):
                self.unasked.append(f"{member.name} (pid {member.pid}) was sent SIGTERM and has not ended")
                member.leaving_since_s = None
                self.kill(member)
        self.members = [member for member in self.members if member.up or not member.dismissed]

    def dismiss(self, member: Member) -> None:
        """SIGTERM for good: it is no part of the fleet any more once it has ended."""
        member.dismissed = True
        self.resume(member)
        self.terminate(member)

    def idle(self) -> list[Member]:
        """Those that are down."""
        return [member for member in self.members if not member.up]

    def close(self) -> None:
        """End all of them."""
        for member in self.members:
            self.resume(member)
            member.process.terminate()
        for member in self.members:
            member.process.wait()

    def tracebacks(self) -> list[str]:
        """The last words of every exception that nobody caught, from the logs."""
        found = []
        for path in self._logs():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines):
                if TRACEBACK in line:
                    words = line if line.startswith("{") else " | ".join(lines[number : number + 60])
                    found.append(f"{path.name}: ...{words[-500:]}")
        return found

    def count_said(self, event: str) -> int:
        """How often any service has logged an event."""
        mark = f'"event": "{event}"'
        return sum(path.read_text(encoding="utf-8", errors="replace").count(mark) for path in self._logs())

    def _logs(self) -> list[Path]:
        return sorted(self.folder.glob("*.log"))

    def _ended(self, member: Member) -> None:
        status = member.process.wait()
        asked = member.leaving_since_s is not None
        member.up, member.leaving_since_s = False, None
        if asked and (status == 0 or (status == -signal.SIGTERM and not self._began(member))):
            return
        if status == REFUSED and self.damaged():
            self.refusals += 1
            self.say(f"{member.name} refuses the damaged config, as it should")
            return
        asking = "after SIGTERM" if asked else "by itself"
        self.unasked.append(f"{member.name} (start {member.starts}) ended {asking} with status {status}")
        self.say(self.unasked[-1])

    @staticmethod
    def _began(member: Member) -> bool:
        """Whether it has said that it started; before that, while Python imports, SIGTERM simply ends it."""
        return b"started" in member.process.log_path.read_bytes()[member.log_from :]

    @staticmethod
    def _signal(member: Member, number: signal.Signals) -> None:
        if member.process.running():
            os.kill(member.pid, number)


class PusherProcess:
    """The producer process: one life after the other, each going on behind what the last one tried."""

    def __init__(self, task: Task, log_path: Path) -> None:
        self._task = task
        self._log_path = log_path
        self._log_from = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._limit = 0
        self.paused = False
        self.starts = 0

    def start(self, first_batch: int) -> None:
        """Start a process that begins with a batch, in place of the one before."""
        self.close()
        task = msgspec.structs.replace(self._task, first_batch=first_batch)
        with self._log_path.open("ab") as log:
            self._log_from = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.chaos.pusher", msgspec.json.encode(task).decode()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self.paused = False
        self.starts += 1
        self.allow(self._limit)

    def allow(self, limit: int) -> None:
        """Let it push the batches below ``limit``."""
        self._limit = limit
        if self._process is not None and self._process.stdin is not None and self.running():
            try:
                self._process.stdin.write(b"%d\n" % limit)
                self._process.stdin.flush()
            except BrokenPipeError:
                return  # it was killed this moment; its successor is told

    def began(self) -> bool:
        """Whether it has said that it started; before that, while Python imports, SIGTERM simply ends it."""
        return STARTED.encode() in self._log_path.read_bytes()[self._log_from :]

    def running(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> int | None:
        """Exit status of the present life, None while it lives."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None and self.running():
            os.kill(self._process.pid, number)
            self.paused = number == signal.SIGSTOP

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; the exit status, None where it goes on."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """End it."""
        if self._process is None:
            return
        if self.running():
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                return


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where it is gone or the system does not say."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
