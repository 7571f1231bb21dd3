"""Limits of a container as cgroups, of version 1 or 2, whichever is mounted.

Where the kernel lets nobody here make any, a container runs without, and the summary of the tests says so.
"""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from pathlib import Path

from tests.ops.containers.shortcomings import note
from tests.servers import wait_until

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000


class Limits:
    """Memory and processor time of the processes in it.

    Parameters
    ----------
    name
        Of the group.
    memory_bytes, cores
        None: no limit.
    """

    def __init__(self, name: str, memory_bytes: int | None, cores: float | None) -> None:
        self._one = not (_ROOT / "cgroup.controllers").exists()
        quota_us = None if cores is None else round(cores * _PERIOD_US)
        self.folders: list[Path] = []
        self.refusal = ""  #: why they are not kept; empty where they are
        if self._one:
            self._set(_ROOT / "memory" / name, {"memory.limit_in_bytes": memory_bytes})
            self._set(_ROOT / "cpu" / name, {"cpu.cfs_quota_us": quota_us})
        else:
            with suppress(OSError):  # a group's own processes may forbid it; then what follows says so
                (_ROOT / "cgroup.subtree_control").write_text("+memory +cpu")
            cpu = None if quota_us is None else f"{quota_us} {_PERIOD_US}"
            self._set(_ROOT / name, {"memory.max": memory_bytes, "cpu.max": cpu})

    def _set(self, folder: Path, values: dict[str, int | str | None]) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        if not given:
            return
        try:
            folder.mkdir()
            self.folders.append(folder)
            for name, value in given.items():
                (folder / name).write_text(str(value))
        except OSError as error:
            self.refusal = f"control groups cannot be made here ({error})"
            note(f"{self.refusal}: containers ran without limits of memory and processor time")

    @property
    def throttled(self) -> int:
        """How often the group had used up its processor time."""
        folder = next(each for each in self.folders if self._one is False or each.parent.name == "cpu")
        said = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
        return int(said["nr_throttled"])

    def remove(self) -> None:
        """Take the groups away, once nothing is in them."""
        for folder in self.folders:
            wait_until(lambda folder=folder: _removed(folder), f"an empty {folder}")  # type: ignore[misc]


def _removed(folder: Path) -> bool:
    """Whether the group is away; processes that were killed are in it for a moment longer."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def resident_bytes(pid: int) -> int:
    """The most memory that a process ever had resident."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
