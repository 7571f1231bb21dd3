"""A producer whose partitions lie on several masters, one of which is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.connection import Connection
from core.pipeline_config import agree
from core.settings import Settings
from producer.client import Producer
from tests.producer.keys import key_of
from tests.servers import kill_server, running_cluster, wait_until

#: So long that the other nodes notice nothing while the test runs.
NODE_TIMEOUT_MS = 600_000


@pytest.mark.parametrize("lost", ["killed", "hanging"])
def test_a_lost_master_does_not_stop_what_goes_to_the_others(tmp_path: Path, pipeline: str, lost: str) -> None:
    with running_cluster(tmp_path, timeout_ms=NODE_TIMEOUT_MS) as cluster:
        tags = cluster.tags(pipeline, 3)
        settings = Settings(redis_url=cluster.url, pipeline=pipeline, partition_tags=",".join(tags))
        with Connection(cluster.url) as connection:
            streams = [partition.records for partition in agree(connection, settings).partitions]
        ports = [cluster.holder(stream) for stream in streams]
        keys = [key_of(3, number) for number in range(3)]
        with Producer(cluster.url, settings=settings, batch_rows=10, notify=lambda _: None) as producer:
            for number in range(30):
                producer.send({"a": number}, key=keys[number % 3])
            assert producer.flush() == 0
            if lost == "killed":
                kill_server(ports[2])
            else:
                cluster.ask(ports[2], "CLIENT", "PAUSE", 600_000)

            done = threading.Event()

            def send_to_the_lost() -> None:
                while not done.is_set():
                    producer.send({"a": 1}, key=keys[2])

            sender = threading.Thread(target=send_to_the_lost)
            sender.start()
            wait_until(lambda: producer.waited_s > 0, "a thread that waits for the lost master")
            for number in range(400):
                producer.send({"a": number}, key=keys[number % 2])
            for stream, port in zip(streams[:2], ports[:2], strict=True):
                with Connection(f"redis://127.0.0.1:{port}") as node:
                    wait_until(lambda: node.call("XLEN", stream) == 210, "all records of a master")  # noqa: B023  (called at once)
            assert sender.is_alive()
            done.set()
            producer.interrupt()
            sender.join(30)
            assert not sender.is_alive()
            assert producer.close(timeout_s=0.1) > 0
            assert producer.sent_records == 430
