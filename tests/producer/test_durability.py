"""What counts as sent is as durable as it was asked to be, or the producer says why it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.chaos.proxy import Proxy
from core.connection import Connection
from core.entry import entries_of, field_map
from core.errors import ServerUnavailable, SettingsError
from core.keys import PipelineKeys
from producer import durability
from producer.call_queue import CallQueue
from producer.client import Producer
from producer.packed import PackedEntry, pack
from tests.producer.conftest import MakeServer
from tests.servers import wait_until

NEVER_MS = 3_600_000.0
AOF = ("--appendonly", "yes")
CHECKOUT = Path(__file__).resolve().parents[2]


def quiet(_sentence: str) -> None:
    """Notices are another test's claim."""


def ids_in(url: str, stream: str) -> list[int]:
    """The record ids in a stream, in order."""
    with Connection(url) as connection:
        found = entries_of(connection.call("XRANGE", stream, "-", "+"))
    return [int(field_map(entry.fields)[b"_id"]) for entry in found]


def let_write(url: str, how: str) -> None:
    """Change when a server writes to disk; the next write makes it do so."""
    with Connection(url) as connection:
        connection.call("CONFIG", "SET", "appendfsync", how)
        connection.call("SET", "any", "write")


def test_what_is_on_disk_survives_a_kill(make_server: MakeServer, pipeline: str, keys: PipelineKeys) -> None:
    server = make_server(*AOF, "--appendfsync", "everysec")
    with Producer(server.url, pipeline, batch_rows=10, durability="fsync", notify=quiet) as producer:
        for number in range(300):
            producer.send({"a": number}, id=number)
        assert producer.flush() == 0
        assert producer.sent_records == 300
        server.kill()
        server.start()
    assert ids_in(server.url, keys.partition(0).records) == list(range(300))


def test_nothing_counts_as_sent_before_it_is_on_disk(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    server = make_server(*AOF, "--appendfsync", "no")
    said: list[str] = []
    with Producer(
        server.url, pipeline, batch_rows=2, linger_ms=NEVER_MS, durability="fsync", notify=said.append
    ) as producer:
        for number in range(6):
            producer.send({"a": number}, id=number)
        assert producer.flush(timeout_s=1.5) == 6
        assert (producer.sent_records, producer.unsent) == (0, 6)
        assert ids_in(server.url, keys.partition(0).records) == list(range(6))
        let_write(server.url, "always")
        assert producer.flush() == 0
        assert producer.sent_records == 6
    assert len(said) == 1
    assert "does not confirm that it is on its disk" in said[0]
    assert ids_in(server.url, keys.partition(0).records) == list(range(6))


def test_a_new_connection_asks_for_what_an_older_one_wrote(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    """WAITAOF speaks of the writes of its own connection: one that only found duplicates would be told yes."""
    server = make_server(*AOF, "--appendfsync", "no")
    proxy = Proxy(server.url)
    with Producer(proxy.url, pipeline, linger_ms=NEVER_MS, durability="fsync", notify=quiet) as producer:
        producer.send({"a": 0}, id=0)
        assert producer.flush(timeout_s=0.5) == 1
        for _ in range(3):
            proxy.cut_all()
            assert producer.flush(timeout_s=1.5) == 1
        assert producer.sent_records == 0
        let_write(server.url, "always")
        assert producer.flush() == 0
    assert ids_in(server.url, keys.partition(0).records) == [0]
    proxy.close()


def test_a_producer_that_is_forgotten_before_the_disk_confirms_writes_each_record_once(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    server = make_server(*AOF, "--appendfsync", "no")
    proxy = Proxy(server.url)
    with (
        Connection(server.url) as connection,
        Producer(proxy.url, pipeline, linger_ms=NEVER_MS, durability="fsync", notify=quiet) as producer,
    ):
        producer.send({"a": 0}, id=0)
        assert producer.flush(timeout_s=0.1) == 1
        (name,) = connection.call("KEYS", f"*{pipeline}:0}}:producer:*")
        connection.call("DEL", name)
        producer.send({"a": 1}, id=1)
        assert producer.flush(timeout_s=1.5) == 2  # the next call goes out behind the disk's first answer
        proxy.cut_all()
        let_write(server.url, "always")
        assert producer.flush() == 0
        assert producer.sent_records == 2
    assert ids_in(server.url, keys.partition(0).records) == [0, 1]
    proxy.close()


def test_calls_that_are_known_to_be_there_keep_no_number_that_would_write_them_again() -> None:
    queue = CallQueue(durable=True)
    for number in range(2):
        (packed,) = pack([PackedEntry([b"a", b"%d" % number], 1)])
        queue.add(packed)
        queue.call(0)
        if not number:
            queue.acknowledge(b"1-0")
    queue.rewind(queue.last_answered, forgotten=True)
    queue.send_answered_again()
    assert queue.last_answered == 0
    queue.rewind(queue.last_answered, forgotten=True)
    assert [call.sequence for call in queue.calls] == [0, 1]


@pytest.mark.parametrize("after_bytes", [0, 1, 5, 9, 12, 13, 40])
def test_an_answer_of_the_disk_that_is_cut_leaves_one_copy(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys, after_bytes: int
) -> None:
    server = make_server(*AOF, "--appendfsync", "always")
    proxy = Proxy(server.url)
    with Producer(
        proxy.url, pipeline, batch_rows=3, linger_ms=NEVER_MS, durability="fsync", notify=quiet
    ) as producer:
        for number in range(12):
            if number == 6:
                proxy.cut_next(b"WAITAOF", after_bytes=after_bytes)
            producer.send({"a": number}, id=number)
        assert producer.flush() == 0
        assert producer.sent_records == 12
    assert proxy.cuts == 1
    assert ids_in(server.url, keys.partition(0).records) == list(range(12))
    proxy.close()


def test_records_that_a_server_lost_before_they_were_on_disk_are_sent_again(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    """A server without them takes over, as one that comes back without its newest writes does."""
    first, second = make_server(*AOF, "--appendfsync", "no"), make_server(*AOF, "--appendfsync", "always")
    proxy = Proxy(first.url)
    with Producer(
        proxy.url, pipeline, batch_rows=2, linger_ms=NEVER_MS, durability="fsync", notify=quiet
    ) as producer:
        for number in range(9):
            producer.send({"a": number}, id=number)
        assert producer.flush(timeout_s=0.2) == 9
        proxy.switch(second.url)
        assert producer.flush() == 0
        assert producer.sent_records == 9
    assert ids_in(second.url, keys.partition(0).records) == list(range(9))
    proxy.close()


def test_a_disk_that_never_confirms_is_an_error_and_the_records_stay(
    make_server: MakeServer, pipeline: str
) -> None:
    server = make_server(*AOF, "--appendfsync", "no")
    producer = Producer(server.url, pipeline, linger_ms=NEVER_MS, durability="fsync", give_up_s=0.2, notify=quiet)
    producer.send({"a": 0})
    with pytest.raises(ServerUnavailable, match=r"does not confirm.*nothing that was not sent is lost"):
        producer.flush()
    assert (producer.sent_records, producer.unsent) == (0, 1)
    let_write(server.url, "always")
    assert producer.close() == 0
    assert producer.sent_records == 1


def test_gathering_goes_on_while_the_disk_writes(make_server: MakeServer, pipeline: str) -> None:
    server = make_server(*AOF, "--appendfsync", "no")
    with Producer(server.url, pipeline, batch_rows=2, linger_ms=1, durability="fsync", notify=quiet) as producer:
        for number in range(1_000):  # not one send waits for the disk, which is not writing at all
            producer.send({"a": number}, id=number)
        assert (producer.sent_records, producer.unsent) == (0, 1_000)
        assert producer.waited_s == 0
        let_write(server.url, "always")
        assert producer.flush() == 0


def test_labels_are_as_durable_as_records(make_server: MakeServer, pipeline: str) -> None:
    server = make_server(*AOF, "--appendfsync", "no")
    with Producer(server.url, pipeline, linger_ms=NEVER_MS, durability="fsync", notify=quiet) as producer:
        producer.send_label("r-1", 1)
        assert producer.flush(timeout_s=0.2) == 1
        assert producer.sent_labels == 0
        let_write(server.url, "always")
        assert producer.flush() == 0
        assert producer.sent_labels == 1


def test_a_server_without_the_command_is_one_sentence(redis_url: str, pipeline: str) -> None:
    with pytest.raises(SettingsError, match=r'durability "fsync" needs WAITAOF, which this server does not have'):
        Producer(redis_url, pipeline, durability="fsync")


def test_a_server_without_append_only_file_is_one_sentence(server_url: str, pipeline: str) -> None:
    with pytest.raises(SettingsError, match=r"this server has appendonly off; set appendonly yes"):
        Producer(server_url, pipeline, durability="fsync")


def test_an_unknown_level_is_one_sentence(server_url: str, pipeline: str) -> None:
    with pytest.raises(SettingsError, match="durability is 'disk'; choose server, fsync, replica"):
        Producer(server_url, pipeline, durability="disk")  # type: ignore[arg-type]  # the mistake under test


def test_the_command_says_what_the_server_cannot_promise(redis_url: str, pipeline: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    command = ["streamgauge", "produce", "rows.csv", "--redis-url", redis_url, "--pipeline", pipeline]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--durability", "fsync"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "needs WAITAOF, which this server does not have" in " ".join(done.stderr.split())


def test_a_replica_that_confirms_makes_records_survive_a_failover(
    make_server: MakeServer, pipeline: str, keys: PipelineKeys
) -> None:
    master = make_server(*AOF, "--repl-diskless-sync-delay", "0")
    replica = make_server(*AOF)
    with Connection(replica.url) as promoted, Connection(master.url) as connection:
        promoted.call("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: b"state=online" in connection.call("INFO", "replication"), "a replica")
        with Producer(master.url, pipeline, durability="replica", notify=quiet) as producer:
            for number in range(50):
                producer.send({"a": number}, id=number)
            assert producer.flush() == 0
            master.kill()
            promoted.call("REPLICAOF", "NO", "ONE")
            assert ids_in(replica.url, keys.partition(0).records) == list(range(50))


def test_without_its_replica_nothing_counts_as_sent(make_server: MakeServer, pipeline: str) -> None:
    master = make_server(*AOF, "--repl-diskless-sync-delay", "0", "--appendfsync", "always")
    replica = make_server(*AOF, "--replicaof", f"127.0.0.1 {master.port}")
    said: list[str] = []

    def notify(sentence: str) -> None:
        said.append(sentence)
        producer.interrupt()

    with Connection(master.url) as connection:
        wait_until(lambda: b"state=online" in connection.call("INFO", "replication"), "a replica")
        with Producer(master.url, pipeline, linger_ms=NEVER_MS, durability="replica", notify=notify) as producer:
            replica.kill()
            producer.send({"a": 0})
            assert producer.flush() == 1  # until the first answer, which is no
            assert producer.sent_records == 0
            assert "its disk and a replica's" in said[0]
            replica.start()
            wait_until(lambda: producer.flush() == 0, "a replica that confirms")
            assert producer.sent_records == 1


def test_no_replica_is_one_sentence(
    make_server: MakeServer, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "_FIRST_REPLICA_MS", 50)
    server = make_server(*AOF)
    with pytest.raises(SettingsError, match=r"needs a replica with appendonly yes, and none confirmed"):
        Producer(server.url, pipeline, durability="replica")
