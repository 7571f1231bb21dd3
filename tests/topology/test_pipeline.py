"""A whole pipeline on a cluster, and through a failover."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest

from core.connection import CONNECTION_ERRORS, Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.pipeline_config import agree
from core.redis_registry import RedisRegistry
from core.settings import Settings
from core.stream_lag import stream_lags
from producer.client import Producer
from streamgauge.predictions import Predictions
from streamgauge.status import read_status
from tests.monitor.running import running
from tests.monitor.scenario import make_model
from tests.scorer.scorer_process import Scorer
from tests.servers import ClusterServers, SentinelServers, kill_server, wait_until

FEATURES = ("a", "b")
RECORDS = 600


@pytest.fixture
def file() -> ModelFile:
    return make_model(FEATURES, 1)


@pytest.fixture
def settings(cluster: ClusterServers, pipeline: str) -> Settings:
    """Three partitions, one on each master."""
    return _settings(cluster.url, pipeline, ",".join(cluster.tags(pipeline, 3)))


def _settings(url: str, pipeline: str, tags: str | None = None) -> Settings:
    return Settings(
        redis_url=url,
        pipeline=pipeline,
        partition_tags=tags,
        http_port=0,
        window_records=100,
        window_limit_s=0.5,
        window_min_records=20,
    )


@pytest.fixture
def scorers() -> Iterator[list[Scorer]]:
    """Two scorers, once a test starts them; they end with it."""
    started: list[Scorer] = []
    yield started
    for scorer in started:
        scorer.send(signal.SIGTERM)
    for scorer in started:
        scorer.end()


def _start(scorers: list[Scorer], settings: Settings) -> None:
    options = ("--redis-url", str(settings.redis_url), "--pipeline", settings.pipeline)
    scorers += [Scorer(*options, "--takeover-idle-ms", "1000") for _ in range(2)]
    for scorer in scorers:
        scorer.ready()


def _send(settings: Settings, first: int = 0, records: int = RECORDS) -> None:
    """Half of the records plain, half of them in blocks."""
    assert settings.redis_url is not None
    x = np.random.default_rng(1).normal(size=(records, len(FEATURES)))
    half = records // 2
    ids = [f"id-{first + row}" for row in range(records)]
    with Producer(settings.redis_url, settings=settings, batch_rows=20) as plain:
        for row in range(half):
            plain.send(dict(zip(FEATURES, x[row].tolist(), strict=True)), id=ids[row])
    with Producer(settings.redis_url, settings=settings, batch_rows=20, block=True) as blocks:
        blocks.send_rows(x[half:], ids=ids[half:])


def _range(connection: Connection, stream: str) -> list[Entry]:
    return entries_of(connection.call("XRANGE", stream, "-", "+"))


def test_on_three_masters_each_record_is_answered_once(
    settings: Settings, on_cluster: Connection, keys: PipelineKeys, file: ModelFile, scorers: list[Scorer]
) -> None:
    config = agree(on_cluster, settings)
    RedisRegistry(on_cluster, keys).promote("run", file, 0, "first")
    _start(scorers, settings)
    with Predictions(str(settings.redis_url), settings.pipeline, start="start", timeout_s=20) as predictions:
        _send(settings)
        answered = Counter(next(predictions).id for _ in range(RECORDS))
    assert answered == {b"id-%d" % row: 1 for row in range(RECORDS)}
    wait_until(
        lambda: all(lag.pending_entries == 0 for lag in stream_lags(on_cluster, config.partitions)), "an end"
    )
    assert all(on_cluster.call("XLEN", partition.records) for partition in config.partitions)
    assert sum(on_cluster.call("XLEN", partition.rejected) for partition in config.partitions) == 0
    status = read_status(on_cluster, settings)
    assert [length.records for length in status.lengths] == [
        on_cluster.call("XLEN", partition.records) for partition in config.partitions
    ]


def test_a_group_of_readers_gets_each_result_of_every_master_once(
    settings: Settings, on_cluster: Connection, keys: PipelineKeys, file: ModelFile, scorers: list[Scorer]
) -> None:
    agree(on_cluster, settings)
    RedisRegistry(on_cluster, keys).promote("run", file, 0, "first")
    _start(scorers, settings)
    with (
        Predictions(on_cluster, settings.pipeline, start="start", group="g", timeout_s=20) as first,
        Predictions(on_cluster, settings.pipeline, start="start", group="g", timeout_s=20) as second,
    ):
        _send(settings, records=40)
        answered = Counter(next(first).id for _ in range(20))
        _send(settings, first=100, records=40)
        answered += Counter(next(second).id for _ in range(20))
    assert set(answered.values()) == {1}


def _copy(source: Connection, target: Connection, settings: Settings) -> None:
    """All that a monitor reads, under the same ids."""
    keys = settings.keys
    streams = [partition.records for partition in agree(source, settings).partitions]
    for stream in (*streams, keys.promotions):
        for entry in _range(source, stream):
            target.call("XADD", stream, entry.id, *entry.fields)
    for key in (keys.config, keys.models, keys.production):
        target.call("HSET", key, *source.call("HGETALL", key))


def _windows(
    settings: Settings, connection: Connection, push: Callable[[], None] | None = None
) -> list[list[bytes]]:
    """What a monitor makes of the records, once all are in windows; some are pushed while it runs."""
    drift = settings.keys.drift

    def seen() -> int:
        return sum(int(entry.fields[entry.fields.index(b"n") + 1]) for entry in _range(connection, drift))

    with running(settings):
        if push is not None:
            push()
        wait_until(lambda: seen() == RECORDS, "the last window")
    return [entry.fields for stream in (drift, settings.keys.samples) for entry in _range(connection, stream)]


def test_the_windows_are_those_of_one_server_with_the_same_records(
    settings: Settings, on_cluster: Connection, connection: Connection, keys: PipelineKeys, file: ModelFile
) -> None:
    streams = [partition.records for partition in agree(on_cluster, settings).partitions]
    RedisRegistry(on_cluster, keys).promote("run", file, 0, "first")
    wait_until(lambda: on_cluster.earliest_now_ms(streams) > _promoted_ms(on_cluster, keys), "a later millisecond")
    live = _windows(settings, on_cluster, lambda: _send(settings))
    _copy(on_cluster, connection, settings)
    assert _windows(_settings(connection.url, settings.pipeline), connection) == live
    assert len(live) >= 2 * RECORDS // settings.window_records


def _promoted_ms(connection: Connection, keys: PipelineKeys) -> int:
    return int(_range(connection, keys.promotions)[0].id.split(b"-")[0])


def test_services_go_on_after_a_failover_and_answer_what_survived_once(
    sentinel: SentinelServers, keys: PipelineKeys, file: ModelFile, scorers: list[Scorer]
) -> None:
    settings = _settings(sentinel.url, keys.pipeline)
    with Connection(sentinel.url) as connection:
        (partition,) = agree(connection, settings).partitions
        RedisRegistry(connection, keys).promote("run", file, 0, "first")
        _start(scorers, settings)
        with running(settings):
            half, go, killed = threading.Event(), threading.Event(), threading.Event()
            pusher = threading.Thread(target=_push_through, args=(settings, half, go, killed))
            pusher.start()
            assert half.wait(30)
            wait_until(sentinel.replicated, "a replica that is level")
            go.set()
            kill_server(sentinel.first)
            killed.set()
            pusher.join(60)
            assert not pusher.is_alive()
            assert sentinel.master() == sentinel.second

            def level() -> bool:
                try:
                    lags = stream_lags(connection, (partition,))
                except CONNECTION_ERRORS:
                    return False
                return len(lags) == 2 and all(lag.lag_entries + lag.pending_entries == 0 for lag in lags)

            wait_until(level, "scorers and monitor at the end of the stream")
        assert all(scorer.process.poll() is None for scorer in scorers)
        survived = Counter(entry.id for entry in _range(connection, partition.records))
        assert len(survived) >= RECORDS
        answered = Counter(
            entry.fields[entry.fields.index(b"record") + 1]
            for stream in (partition.predictions, partition.rejected)
            for entry in _range(connection, stream)
        )
        assert answered == survived
        assert len(_range(connection, keys.drift)) > 0


def _push_through(settings: Settings, half: threading.Event, go: threading.Event, killed: threading.Event) -> None:
    """Send half of the records, then more while the server is killed, then the other half."""
    assert settings.redis_url is not None
    rows = count(0)
    with Producer(settings.redis_url, settings=settings, batch_rows=5) as producer:

        def send() -> None:
            producer.send({"a": 1.0, "b": 1.0}, id=f"id-{next(rows)}")

        for _ in range(RECORDS // 2):
            send()
        producer.flush()
        half.set()
        go.wait(60)
        while not killed.is_set():
            send()
        for _ in range(RECORDS // 2):
            send()
