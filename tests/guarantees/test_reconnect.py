"""Every service comes back by itself from whatever a server does, and goes on from the right place."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bench.chaos.proxy import Proxy
from tests.guarantees.stage import SERVICES, Stage
from tests.guarantees.troubled_server import TroubledServer
from tests.servers import wait_until

LOADING = b"LOADING Redis is loading the dataset in memory"
#: Nobody listens there.
_PORT_OF_NOBODY = 1


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Callable[[str], TroubledServer]]:
    """Makes a server of a kind, not started yet."""
    made: list[TroubledServer] = []

    def make(program: str) -> TroubledServer:
        made.append(TroubledServer(program, tmp_path))
        return made[-1]

    yield make
    for server in made:
        server.end(signal.SIGKILL)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("program", ["valkey", "redis"])
def test_each_service_outlives_every_trouble_and_goes_on_from_the_right_place(
    servers: Callable[[str], TroubledServer], program: str, tmp_path: Path
) -> None:
    server = servers(program)
    troubles: list[Callable[[Stage, Proxy], None]] = [killed, unable_to_save, without_groups]
    if program == "valkey":  # the rest is no matter of the server's kind
        troubles += [restarted, cut, hanging, demoted, full]
    with closing(Proxy(server.url)) as proxy, closing(_stage(server, tmp_path, proxy.url)) as stage:
        stage.start_all()
        stage.until_waiting("Connection")  # there is no server yet
        server.start()
        stage.ready()
        stage.push()
        stage.settle()
        for trouble in troubles:
            before = {name: len(stage.waited(name)) for name in SERVICES}
            stage.push(shift=1.5)
            trouble(stage, proxy)
            stage.push()
            stage.answer()
            said = {name: stage.waited(name)[count:] for name, count in before.items()}
            assert all(len(reasons) <= 6 for reasons in said.values()), (trouble.__name__, said)  # once each
        stage.settle()
        for name in SERVICES:
            stage.services[name].logged("recovered")
            assert stage.reconnects(name) >= 2, stage.waited(name)  # no server, a killed one
        assert stage.end() == dict.fromkeys(SERVICES, 0)
        stage.assert_exact()


@pytest.mark.timeout(60)
def test_after_flushall_every_service_begins_anew_and_says_so(
    servers: Callable[[str], TroubledServer], tmp_path: Path
) -> None:
    server = servers("valkey")
    server.start()
    with closing(_stage(server, tmp_path, server.url)) as stage:
        stage.start_all()
        stage.ready()
        stage.push()
        stage.settle()
        server.ask("FLUSHALL")
        stage.forget()
        stage.push(shift=1.5)
        stage.services["scorer"].logged("group lost")
        stage.services["monitor"].logged("the stored state is gone; beginning anew")
        stage.services["trainer"].logged("production seeded from MiniFlow")
        stage.push()
        stage.settle()
        assert stage.end() == dict.fromkeys(SERVICES, 0)
        stage.assert_exact()


@pytest.mark.timeout(60)
def test_a_scorer_that_is_killed_while_it_starts_leaves_nothing_undone(
    servers: Callable[[str], TroubledServer], tmp_path: Path
) -> None:
    server = servers("valkey")
    server.start()
    with closing(_stage(server, tmp_path, server.url)) as stage:
        for service in ("trainer", "monitor"):
            stage.start(service)
        stage.services["trainer"].ready()
        for moment in range(3):
            stage.push()
            scorer = stage.start("scorer")
            # from before it listens until it answers
            stage.connection.call("XREAD", "BLOCK", 100 + 250 * moment, "STREAMS", "nothing", "$")
            assert scorer.end(signal.SIGKILL) == -signal.SIGKILL
        stage.start("scorer").ready()
        stage.push(shift=1.5)
        stage.settle()
        assert stage.end() == dict.fromkeys(SERVICES, 0)
        stage.assert_exact()


def _stage(server: TroubledServer, folder: Path, url: str) -> Stage:
    return Stage(server, folder, f"{url}?socket_timeout=2")  # which a server that hangs is given


def restarted(stage: Stage, _: Proxy) -> None:
    """Ended in order and started again."""
    stage.server.end()
    stage.server.start()


def killed(stage: Stage, _: Proxy) -> None:
    """Killed; while it loads its data it refuses everybody."""
    stage.server.end(signal.SIGKILL)
    with stage.server.answering(LOADING):
        stage.until_waiting("BusyLoading")
    stage.server.start()


def cut(stage: Stage, proxy: Proxy) -> None:
    """The connection ends in the middle of a reply: of a read, of a commit, of a window, of an event."""
    partition = stage.streams.partition
    words = (
        f"{partition.records}\r\n$1\r\n>",
        partition.predictions,
        stage.keys.drift,
        f"{stage.keys.retrain}\r\n$1\r\n>",
    )
    for word in words:
        before = proxy.cuts
        proxy.cut_next(word.encode(), after_bytes=3)
        stage.push(10, shift=1.5)
        wait_until(partial(_has_cut, proxy, before), f"a cut at {word!r}")


def _has_cut(proxy: Proxy, before: int) -> bool:
    return proxy.cuts > before


def hanging(stage: Stage, _: Proxy) -> None:
    """It keeps its connections and answers nobody, for longer than a service waits for a reply."""
    with stage.server.hanging():
        stage.until_waiting("Timeout")


def demoted(stage: Stage, _: Proxy) -> None:
    """A replica that refuses writes, then one that refuses everything as its master is away."""
    stage.server.ask("REPLICAOF", "127.0.0.1", _PORT_OF_NOBODY)
    stage.until_waiting("READONLY", "scorer", "trainer")
    stage.server.ask("CONFIG", "SET", "replica-serve-stale-data", "no")
    stage.until_waiting("MASTERDOWN", "monitor")
    stage.server.ask("REPLICAOF", "NO", "ONE")


def unable_to_save(stage: Stage, _: Proxy) -> None:
    """Its last snapshot failed, so it refuses writes."""
    obstacle = stage.server.folder / "dump.rdb"
    obstacle.unlink(missing_ok=True)
    obstacle.mkdir()
    stage.server.ask("CONFIG", "SET", "save", "3600 1")
    stage.server.ask("BGSAVE")
    stage.until_waiting("MISCONF", "scorer", "trainer")
    stage.server.ask("CONFIG", "SET", "save", "")
    obstacle.rmdir()


def full(stage: Stage, _: Proxy) -> None:
    """At its memory limit it takes what services write, or it could never be emptied."""
    stage.server.ask("CONFIG", "SET", "maxmemory", "1")
    stage.streams.await_results(set(stage.rows))
    stage.server.ask("CONFIG", "SET", "maxmemory", "0")


def without_groups(stage: Stage, _: Proxy) -> None:
    """Every consumer group is destroyed."""
    for stream in (stage.streams.partition.records, stage.keys.labels, stage.keys.retrain):
        for name in ("scorers", "monitors", "trainers"):
            stage.server.ask("XGROUP", "DESTROY", stream, name)
