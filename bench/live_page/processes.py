"""Processor time of a browser with all its processes, and of a process's threads apart from its first."""

from __future__ import annotations

import os
from pathlib import Path

from bench.machine import cpu_s


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and that those started; itself is not among them."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            parents.setdefault(parent, []).append(int(folder.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found.update(children)
        waiting += children
    return found


def browser_pids(pid: int) -> set[int]:
    """Those of Chromium below a process: its main process, renderers, network and graphics."""
    return {child for child in descendants(pid) if "chromium" in _name(child) or "chrome" in _name(child)}


def total_cpu_s(pids: set[int]) -> float:
    """Processor time of processes together; one that has ended counts as none."""
    return sum(cpu_s(pid) or 0.0 for pid in pids)


def other_threads_cpu_s(pid: int) -> float:
    """Processor time of a process's threads but its first, which works on the stream."""
    ticks = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) != pid:
            fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _parent(folder: Path) -> int | None:
    """Of a process; None where it has ended meanwhile."""
    try:
        return int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return None


def _name(pid: int) -> str:
    """What a process is called; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
