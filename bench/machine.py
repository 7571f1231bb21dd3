"""The two cores that a measurement needs, and what /proc says of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def choose_cores() -> tuple[int | None, int | None]:
    """A core for the server and one for its client, where there are two that can be chosen."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this process, and the children it starts meanwhile, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processor() -> str:
    """The processor's name; empty where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""


def memory_mib(pid: int, field: str) -> float | None:
    """``VmRSS`` (resident now) or ``VmHWM`` (its peak) of a process; None where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    for line in status.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return None


def waited_s(pid: int) -> float | None:
    """Time that a process's first thread could have run and had no core; None where the system does not tell."""
    schedstat = Path(f"/proc/{pid}/schedstat")
    return int(schedstat.read_text(encoding="utf-8").split()[1]) / 1e9 if schedstat.exists() else None


def cpu_s(pid: int) -> float | None:
    """Processor time that a process has used; None where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
