"""A server and a MiniFlow directory that were copied go on elsewhere, with each record answered once."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.guarantees.stage import Stage
from tests.guarantees.troubled_server import TroubledServer
from tests.servers import wait_until

MakeServer = Callable[..., TroubledServer]


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """Makes servers, not started yet, that are gone with the test."""
    made: list[TroubledServer] = []

    def make(program: str, folder: Path, *, durable: bool) -> TroubledServer:
        made.append(TroubledServer(program, folder, durable=durable))
        return made[-1]

    yield make
    for server in made:
        server.end(signal.SIGKILL)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("program", ["valkey"])
def test_a_copy_of_a_stopped_server_goes_on_with_every_record(
    make_server: MakeServer, program: str, tmp_path: Path
) -> None:
    first = make_server(program, tmp_path / "first" / "server", durable=True)
    first.start()
    with closing(Stage(first, tmp_path / "first", first.url)) as stage:
        stage.start_all()
        stage.ready()
        stage.push()
        stage.settle()
        stage.push(shift=1.5)  # in the midst of it everything stops
        assert set(stage.end().values()) == {0}
        stage.push(entries=10)  # which waits when the server ends
        first.end()
        shutil.copytree(tmp_path / "first", tmp_path / "second")
        second = make_server(program, tmp_path / "second" / "server", durable=True)
        second.start()
        stage.move(second, tmp_path / "second")
        stage.start_all()
        stage.ready()
        stage.push()
        stage.settle()
        stage.assert_exact()
        assert set(stage.end().values()) == {0}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("program", ["redis"])
def test_of_a_snapshot_each_record_is_answered_once_and_what_came_later_is_gone(
    make_server: MakeServer, program: str, tmp_path: Path
) -> None:
    first = make_server(program, tmp_path / "first" / "server", durable=True)
    first.start()
    backup = tmp_path / "second"
    with closing(Stage(first, tmp_path / "first", first.url)) as stage:
        stage.start_all()
        stage.ready()
        stage.push(shift=1.5)
        stage.answer()
        stage.push()
        assert first.ask("SAVE") == b"OK"  # while the services work
        (backup / "server").mkdir(parents=True)
        shutil.copy(tmp_path / "first" / "server" / "dump.rdb", backup / "server")
        shutil.copytree(tmp_path / "first" / "miniflow", backup / "miniflow")
        pushed = len(stage.rows)
        stage.push()
        stage.settle()
        assert set(stage.end().values()) == {0}
        first.end(signal.SIGKILL)
        second = make_server(program, backup / "server", durable=False)  # see below
        second.start()
        second.ask("CONFIG", "SET", "appendonly", "yes")
        stage.move(second, backup)
        assert len(stage.rows) == pushed
        stage.start_all()
        stage.ready()
        stage.push()
        stage.settle()
        stage.assert_exact()
        assert set(stage.end().values()) == {0}
        wait_until(lambda: "aof_rewrite_in_progress:0" in str(second.ask("INFO", "persistence")), "the file")
        second.end(signal.SIGKILL)
        third = make_server(program, backup / "server", durable=True)
        third.start()
        assert third.ask("XLEN", stage.streams.partition.records) == len(stage.rows)


@pytest.mark.parametrize("program", ["valkey", "redis"])
def test_a_server_with_an_append_only_file_reads_no_snapshot_when_it_starts(
    make_server: MakeServer, program: str, tmp_path: Path
) -> None:
    server = make_server(program, tmp_path, durable=False)
    server.start()
    server.ask("SET", "key", "value")
    assert server.ask("SAVE") == b"OK"
    server.end(signal.SIGKILL)
    restored = make_server(program, tmp_path, durable=True)
    restored.start()
    assert restored.ask("EXISTS", "key") == 0
