"""Starting, stopping, waiting for a model, changing it."""

from __future__ import annotations

import json
import signal

import msgspec
import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from tests.both_servers import both_servers
from tests.scorer.conftest import FIRST_RUN, MakeModelFile, StartScorer
from tests.scorer.scorer_process import Scorer, get
from tests.scorer.streams import Streams

SECOND_RUN = "ba9876543210"
PLAIN = ("Area", "1", "MajorAxisLength", "2", "Eccentricity", "3")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_commits_the_batch_removes_the_consumer_and_exits_with_zero(
    scorer: Scorer, streams: Streams, number: signal.Signals
) -> None:
    ids = {streams.add(*PLAIN) for _ in range(200)}
    streams.await_results({min(ids)})
    assert scorer.end(number) == 0
    assert (streams.pending(), streams.consumers()) == (0, [])
    assert len(streams.predictions()) <= len(ids)
    assert json.loads(scorer.log[-1])["event"] == "stopped"


@both_servers
@pytest.mark.usefixtures("production")
def test_a_worker_that_was_stopped_past_the_idle_time_answers_nothing_twice(
    start_scorer: StartScorer, server_url: str, pipeline: str, streams: Streams
) -> None:
    options = ("--redis-url", server_url, "--pipeline", pipeline, "--takeover-idle-ms", "300")
    first = start_scorer(*options).ready()
    ids = {streams.add(*PLAIN)}
    while True:
        streams.await_results(ids)
        first.send(signal.SIGSTOP)
        ids.add(streams.add(*PLAIN))
        if streams.pending():  # it was stopped in the middle of a blocking read, and the entry handed to it
            break
        first.send(signal.SIGCONT)
    second = start_scorer(*options).ready()
    assert second.logged("taken over")["entries"] >= 1
    streams.await_results(ids)
    first.send(signal.SIGCONT)
    assert first.logged("late")["entries"] >= 1
    more = {streams.add(*PLAIN) for _ in range(20)}
    streams.await_results(more)
    assert [first.end(), second.end()] == [0, 0]
    answered = [prediction.record for prediction in streams.predictions()]
    assert sorted(answered) == sorted(ids | more)
    assert (streams.pending(), streams.consumers()) == (0, [])


@both_servers
def test_the_model_changes_between_batches_and_blocks_of_the_old_schema_are_rejected(
    scorer: Scorer,
    production: RedisRegistry,
    streams: Streams,
    model_file: ModelFile,
    make_model_file: MakeModelFile,
) -> None:
    scorer.logged("model in use")
    old_block = encode_block(model_file.model.center[None, :], model_file.model.schema)
    before = {streams.add(*PLAIN), streams.add(*old_block)}
    streams.await_results(before)
    new = make_model_file(("Extent", "Area"), seed=9)
    production.promote(SECOND_RUN, new, 1, "another schema")
    assert scorer.logged("model in use")["model"] == SECOND_RUN
    accepted = {
        streams.add("Extent", 1, "Area", 2),
        streams.add(*encode_block(new.model.center[None, :], new.model.schema)),
    }
    refused = {streams.add(*PLAIN): "missing_feature", streams.add(*old_block): "unknown_schema"}
    streams.await_results({*accepted, *refused})
    models = {prediction.record: prediction.model for prediction in streams.predictions()}
    assert models == dict.fromkeys(before, FIRST_RUN) | dict.fromkeys(accepted, SECOND_RUN)
    assert {rejection.record: rejection.reason for rejection in streams.rejections()} == refused
    answer = json.loads(get(scorer.url + "/predict", b'{"Extent": 1, "Area": 2}')[1])
    assert (answer["model"], list(answer["feature_contrib_logit"])) == (SECOND_RUN, ["Extent", "Area"])
    assert scorer.metrics()[f"streamgauge_production_info:{SECOND_RUN}"] == 1


def test_series_of_models_before_the_previous_one_end(
    scorer: Scorer, production: RedisRegistry, streams: Streams, make_model_file: MakeModelFile
) -> None:
    for epoch in range(1, 4):
        streams.await_results({streams.add(*PLAIN)})
        production.promote(f"{epoch:012x}", make_model_file(seed=epoch), epoch, "again")
        while scorer.logged("model in use")["model"] != f"{epoch:012x}":
            pass
    streams.await_results({streams.add(*PLAIN)})
    shown = [name for name in scorer.metrics() if name.startswith("streamgauge_records_scored_total")]
    assert shown == [f"streamgauge_records_scored_total:{epoch:012x}" for epoch in (2, 3)]


@both_servers
def test_without_a_model_nothing_is_read_until_one_is_promoted(
    start_scorer: StartScorer,
    server_url: str,
    pipeline: str,
    registry: RedisRegistry,
    streams: Streams,
    model_file: ModelFile,
) -> None:
    waiting = {streams.add(*PLAIN), streams.add("garbage", "x")}
    scorer = start_scorer("--redis-url", server_url, "--pipeline", pipeline)
    scorer.wait_for("listening")
    scorer.logged("started")
    status, body = get(scorer.url + "/readyz")
    assert (status, "no model" in body.decode() or "Redis" in body.decode()) == (503, True)
    assert get(scorer.url + "/healthz")[0] == 200
    assert get(scorer.url + "/predict", b"{}")[0] == 503
    assert (streams.pending(), streams.predictions(), streams.rejections()) == (0, [], [])
    registry.promote(FIRST_RUN, model_file, 0, "first")
    scorer.ready()
    streams.await_results(waiting)
    assert get(scorer.url + "/readyz")[0] == 200


def test_a_damaged_model_leaves_the_old_one_in_place_and_is_said_once(
    scorer: Scorer, production: RedisRegistry, keys: PipelineKeys, streams: Streams, make_model_file: MakeModelFile
) -> None:
    production.promote(SECOND_RUN, make_model_file(seed=4), 1, "better")
    while scorer.logged("model in use")["model"] != SECOND_RUN:
        pass
    streams.connection.call("HSET", keys.models, "eeeeeeeeeeee", b"PK no model", "eeeeeeeeeeee:sha256", "0" * 64)
    streams.connection.call("HSET", keys.production, "run_id", "eeeeeeeeeeee", "epoch", 3)
    said = scorer.logged("model not loaded")
    assert "SHA-256" in said["error"]
    streams.await_results({streams.add(*PLAIN) for _ in range(3)})
    assert {prediction.model for prediction in streams.predictions()} == {SECOND_RUN}
    production.promote(FIRST_RUN, make_model_file(), 3, "mended")
    while scorer.logged("model in use")["model"] != FIRST_RUN:
        pass
    assert scorer.end() == 0
    assert sum('"model not loaded"' in line for line in scorer.log) == 1


@both_servers
@pytest.mark.usefixtures("production")
def test_poison_is_rejected_whole_and_who_was_only_near_it_is_scored(
    start_scorer: StartScorer, server_url: str, pipeline: str, streams: Streams
) -> None:
    call, records = streams.connection.call, streams.partition.records
    poison, suspect, innocent = (streams.add(*PLAIN) for _ in range(3))
    call("XGROUP", "CREATE", records, "scorers", "0")
    call("XREADGROUP", "GROUP", "scorers", "dead", "COUNT", 10, "STREAMS", records, ">")
    for entry_id, deliveries in ((poison, 8), (suspect, 6), (innocent, 1)):
        call("XCLAIM", records, "scorers", "dead", 0, entry_id, "IDLE", 60_000, "RETRYCOUNT", deliveries)
    scorer = start_scorer("--redis-url", server_url, "--pipeline", pipeline).ready()
    streams.await_results({poison, suspect, innocent})
    (rejection,) = streams.rejections()
    assert (rejection.record, rejection.reason) == (poison, "poison")
    assert rejection.entry == [text.encode() for text in PLAIN]
    assert {prediction.record for prediction in streams.predictions()} == {suspect, innocent}
    assert scorer.end() == 0
    assert streams.pending() == 0


def test_settings_that_disagree_with_the_pipeline_are_refused_in_a_sentence(
    start_scorer: StartScorer, server_url: str, pipeline: str, connection: Connection, keys: PipelineKeys
) -> None:
    connection.call("HSET", keys.config, "partitions", 3)
    scorer = start_scorer("--redis-url", server_url, "--pipeline", pipeline, "--partitions", "2")
    assert scorer.end(signal.SIGCONT) == 2
    assert "partitions is 2 here and 3 in pipeline" in scorer.log[-1]
    assert msgspec.json.decode(scorer.log[0])["event"] == "stopped"
