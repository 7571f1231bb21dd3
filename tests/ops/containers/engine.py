"""A small container engine for tests, where no other can be had: overlay mounts, namespaces, a bridge a network.

Everything lives in namespaces of one process and ends with it: no mount, address or process outlives the tests,
and the machine's own files are a read-only layer below the containers. Where the tests are killed, empty
control groups stay behind. It needs root, as mounts do. Where the kernel forbids them even so, as in a container
that was given no rights to them, its tests are skipped, and test_processes.py runs the same services as processes.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.ops.containers.name_server import NameServer
from tests.ops.containers.shortcomings import note
from tests.ops.tools import program
from tests.servers import PATIENCE_S

_CLONE_NEWNET = 0x40000000
_SETNS = ctypes.CDLL(None, use_errno=True).setns


class Engine:
    """Namespaces that containers share; see :class:`tests.ops.containers.container.Container`.

    Parameters
    ----------
    folder
        Where layers and roots are mounted; in memory, and seen from inside alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = NameServer()
        self._networks: dict[str, int] = {}
        self._addresses = 1
        self._serial = 0

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        trial = self.folder / "trial"
        layers = f"lowerdir=/,upperdir={trial}/up,workdir={trial}/work"
        start = (
            f"mount -t tmpfs -o mode=755 tmpfs {self.folder} && mount -t proc proc /proc && "
            "mount -t tmpfs tmpfs /run && ip link set lo up && "
            # what containers will need, too
            f"mkdir -p {trial}/up {trial}/work {trial}/root && "
            f"mount -t overlay overlay -o {layers} {trial}/root && umount {trial}/root && "
            "ip link add trial type bridge && ip link del trial && "
            "echo ready && exec cat"
        )
        # its standard input ends with this process, however that dies; then the kernel ends all that is inside
        self._holder = subprocess.Popen(
            [program("unshare"), "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        if self._holder.stdout.readline() != b"ready\n":
            _, said = self._holder.communicate()
            whom = "even to root" if os.geteuid() == 0 else "to users other than root"
            refusal = f"name spaces and mounts are forbidden here, {whom} ({said.decode().strip()})"
            note(
                f"{refusal}: no image was built and no container imitated; test_processes.py ran the services of "
                "docker-compose.yml as plain processes instead"
            )
            pytest.skip(refusal)
        (self._pid,) = children(self._holder.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.names.close()
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(PATIENCE_S)
        self._holder.stdout.close()
        assert self._holder.stderr is not None
        self._holder.stderr.close()

    def serial(self) -> int:
        """A number that no other container or project has."""
        self._serial += 1
        return self._serial

    def command(self, *, own_network: bool = True) -> list[str]:
        """What a command line begins with that is to run inside; without the network it has the machine's."""
        return [str(program("nsenter")), "-t", str(self._pid), "-m", "-p", *(["-n"] if own_network else [])]

    def run(
        self, script: str, *, own_network: bool = True, timeout_s: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script inside, as root; what came of it."""
        return subprocess.run(
            [*self.command(own_network=own_network), "sh", "-ec", script],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def must(self, script: str, *, own_network: bool = True) -> str:
        """Run a shell script inside that has to succeed; what it printed."""
        done = self.run(script, own_network=own_network)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def path(self, *parts: str) -> str:
        """A path in the engine's folder."""
        return str(self.folder.joinpath(*parts))

    def has_its_root(self, pid: int) -> bool:
        """Whether a process still sees the engine's files, and no container's."""
        return Path(f"/proc/{pid}/root").samefile(f"/proc/{self._pid}/root")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread, and those it starts, open connections from inside; names are not resolved there."""
        with Path("/proc/self/ns/net").open() as before, Path(f"/proc/{self._pid}/ns/net").open() as after:
            _enter(after.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def network(self, name: str) -> int:
        """The number of a network, made when it is first asked for: ``10.77.<number>.0/24``."""
        if name not in self._networks:
            number = len(self._networks) + 1
            self.must(
                f"ip link add br{number} type bridge && ip addr add {_gateway(number)}/24 dev br{number} && "
                f"ip link set br{number} up"
            )
            self._networks[name] = number
            with self.inside():
                self.names.listen(_gateway(number))
        return self._networks[name]

    def connect(self, container: str, service: str, networks: list[str]) -> dict[str, str]:
        """Give a container a network name space with an address in each network; addresses by network."""
        self._addresses += 1
        found = {}
        lines = [f"ip netns add {container}", f"ip -n {container} link set lo up"]
        for each in networks:
            number = self.network(each)
            address = f"10.77.{number}.{self._addresses}"
            outer, inner = f"v{self._addresses}-{number}", f"eth{number}"
            lines += [
                f"ip link add {outer} type veth peer name {inner} netns {container}",
                f"ip link set {outer} master br{number} up",
                f"ip -n {container} addr add {address}/24 dev {inner}",
                f"ip -n {container} link set {inner} up",
            ]
            found[each] = address
            self.names.add(service, address)
        asked = _gateway(self.network(networks[0]))
        lines.append(f"echo nameserver {asked} > {shlex.quote(self.path(container + '.resolv'))}")
        self.must("\n".join(lines))
        return found

    def disconnect(self, container: str, service: str, addresses: dict[str, str]) -> None:
        """Take a container's addresses back."""
        for address in addresses.values():
            self.names.remove(service, address)
        self.must(f"ip netns del {container}")


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _gateway(number: int) -> str:
    return f"10.77.{number}.1"


def _enter(descriptor: int) -> None:
    if _SETNS(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a network name space cannot be entered")
