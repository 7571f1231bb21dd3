"""The shadow: a candidate beside production, whose results nobody else ever meets."""

from __future__ import annotations

import signal
from collections import Counter

import numpy as np
import pytest

from core.connection import Connection
from core.entry import entries_of, field_map
from core.errors import UsageError
from core.keys import SCORERS, PipelineKeys, ShadowKeys, shadow_group
from core.model_file import ModelFile
from core.prediction import PredictionBlock, decode_prediction
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from core.scripts.trim import trim
from core.shadow_progress import ShadowProgress, shadow_progress
from core.shadow_registry import ShadowRegistry
from streamgauge.shadow.end import end_shadow
from tests.both_servers import both_servers
from tests.scorer.conftest import FEATURES, FIRST_RUN, MakeModelFile, StartScorer
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import PATIENCE_MS, Streams

CANDIDATE, SECOND = "c" * 12, "d" * 12
KILLS = 5


class Stage:
    """Production, a candidate that is a shadow, and what each of them answered."""

    def __init__(
        self, streams: Streams, start: StartScorer, url: str, production: RedisRegistry, make: MakeModelFile
    ) -> None:
        self.streams, self.production, self.make = streams, production, make
        self.connection, self.keys = streams.connection, streams.keys
        self.shadows = ShadowRegistry(self.connection, self.keys)
        self._start, self._options = start, ("--redis-url", url, "--pipeline", self.keys.pipeline)

    def scorer(self, *options: str) -> Scorer:
        """Production's."""
        return self._start(*self._options, *options).ready()

    def shadow(self, run_id: str = CANDIDATE, *options: str, wait: bool = True) -> Scorer:
        """One of the candidate's."""
        started = self._start(*self._options, "--shadow", run_id, *options)
        return started.ready() if wait else started

    def candidate(self, run_id: str = CANDIDATE, seed: int = 9) -> ModelFile:
        file = self.make(seed=seed)
        self.shadows.begin(run_id, file)
        return file

    def of(self, run_id: str = CANDIDATE, partition: int = 0) -> ShadowKeys:
        return self.keys.partition(partition).shadow(run_id)

    def progress(self, run_id: str = CANDIDATE, partitions: int = 1) -> ShadowProgress:
        return shadow_progress(self.connection, self.keys.partitions(partitions), run_id)

    def answered(self, run_id: str = CANDIDATE) -> Counter[bytes]:
        """How often the shadow answered each entry."""
        keys = self.of(run_id)
        return Counter(
            field_map(entry.fields)[b"record"]
            for stream in (keys.predictions, keys.rejected)
            for entry in self.streams.entries(stream)
        )

    def await_shadow(self, wanted: set[bytes], run_id: str = CANDIDATE) -> None:
        keys = self.of(run_id)
        self.streams.await_results(wanted, dict.fromkeys((keys.predictions, keys.rejected), b"0-0"))

    def add(self, count: int, seed: int = 0) -> list[bytes]:
        """Plain records, blocks (of one in seven entries one row bad), and garbage."""
        generator, model = np.random.default_rng(seed), self.make().model
        commands: list[list[str | bytes | int | float]] = []
        for n in range(count):
            x = generator.normal(model.center, model.scale, (4, len(FEATURES)))
            if n % 7 == 0:
                x[1, 0] = np.nan
            fields: list[str | bytes] = list(encode_block(x, model.schema))
            if n % 3 == 0:
                fields = [text for pair in zip(FEATURES, map(repr, x[0].tolist()), strict=True) for text in pair]
            if n % 10 == 9:
                fields = ["garbage", "1"]
            commands.append(["XADD", self.streams.partition.records, "*", *fields])
        return list(self.connection.pipeline(commands))


@pytest.fixture
def stage(
    streams: Streams,
    start_scorer: StartScorer,
    server_url: str,
    production: RedisRegistry,
    make_model_file: MakeModelFile,
) -> Stage:
    return Stage(streams, start_scorer, server_url, production, make_model_file)


def groups(connection: Connection, stream: str) -> set[str]:
    return {field_map(group)[b"name"].decode() for group in connection.call("XINFO", "GROUPS", stream)}


@both_servers
def test_each_record_has_one_result_of_each_model_and_what_is_productions_stays_productions(stage: Stage) -> None:
    file = stage.candidate()
    before = stage.add(3)
    scorer, shadow = stage.scorer(), stage.shadow()
    ids = stage.add(60)
    stage.await_shadow(set(ids))
    stage.streams.await_results({*before, *ids})
    assert stage.answered() == Counter(ids)  # from the newest record on
    assert {prediction.model for prediction in stage.streams.predictions()} == {FIRST_RUN}
    assert len(stage.streams.rejections()) > 6  # garbage and rows, once each
    assert len(stage.streams.rejections()) == len({rejection.record for rejection in stage.streams.rejections()})
    for entry in stage.streams.entries(stage.of().predictions):
        prediction = decode_prediction(entry)
        assert prediction.model == CANDIDATE
        record = entries_of(
            stage.connection.call("XRANGE", stage.of().records, prediction.record, prediction.record)
        )[0]
        if isinstance(prediction, PredictionBlock):
            x = np.frombuffer(field_map(record.fields)[b"_x"], "<f8").reshape(-1, len(FEATURES))[prediction.rows]
            assert np.array_equal(file.model.score(x).probability, prediction.probability)
    figures, shadows = scorer.metrics(), shadow.metrics()
    assert all(name.startswith("streamgauge_shadow_") for name in shadows if name.startswith("streamgauge"))
    assert not any(CANDIDATE in name for name in figures)
    assert shadows[f"streamgauge_shadow_records_scored_total:{CANDIDATE}"] > 60
    assert stage.progress() == ShadowProgress(True, 60, len(stage.streams.entries(stage.of().rejected)), 0, 0)
    assert shadow.end() == 0
    assert groups(stage.connection, stage.of().records) == {SCORERS}
    assert stage.progress().missed_entries == 0
    ttl_ms = stage.connection.call("PTTL", stage.of().predictions)
    assert 0 < ttl_ms <= 24 * 3_600_000


def test_kill_9_of_a_shadow_leaves_each_record_one_result(stage: Stage) -> None:
    stage.candidate()
    stage.scorer()
    idle = ("--takeover-idle-ms", "300")
    shadows = [stage.shadow(CANDIDATE, *idle), stage.shadow(CANDIDATE, *idle)]
    wanted: set[bytes] = set()
    for kill in range(KILLS):
        ids = stage.add(1_500, seed=kill)
        wanted |= set(ids)
        stage.await_shadow({ids[200]})
        shadows.pop(0).end(signal.SIGKILL)
        shadows.append(stage.shadow(CANDIDATE, *idle))
    stage.await_shadow(wanted)
    assert stage.answered() == Counter(wanted)
    assert stage.progress().missed_entries == 0
    for shadow in shadows:
        assert shadow.end() == 0
    assert stage.progress().waiting_entries == stage.progress().missed_entries == 0


@both_servers
def test_a_slow_shadow_holds_no_record_and_what_it_missed_is_counted_and_said(stage: Stage) -> None:
    stage.candidate()
    scorer = stage.scorer()
    stage.connection.call("HSET", stage.keys.config, "required_groups", SCORERS)
    shadow = stage.shadow(CANDIDATE, "--trim-every-ms", "50")
    first = stage.add(20)
    stage.await_shadow(set(first))
    shadow.send(signal.SIGSTOP)
    ids = stage.add(500)
    stage.streams.await_results(set(ids))
    scorer.end()
    trim(stage.connection, stage.of().records, 3_600_000, 1, required_groups=(SCORERS,))
    left = {entry.id for entry in stage.streams.entries(stage.of().records)}
    assert len(left) < 400  # the shadow, which read none of them, held nothing
    shadow.send(signal.SIGCONT)
    after = stage.add(20)
    stage.await_shadow(set(after))
    assert shadow.logged("records missed, they were trimmed before the shadow came to them")["entries"] > 0
    answered = stage.answered()
    assert set(answered.values()) == {1}
    assert set(after) <= answered.keys()
    missed = 500 - len(set(ids) & answered.keys())
    assert missed > 0
    assert stage.progress() == ShadowProgress(True, 540 - missed, stage.progress().rejected_entries, 0, missed)


def test_two_shadows_and_a_lost_group_do_not_touch_each_other(stage: Stage) -> None:
    stage.candidate()
    stage.candidate(SECOND, seed=11)
    stage.scorer()
    shadow, _second = stage.shadow(), stage.shadow(SECOND)
    ids = stage.add(20)
    stage.await_shadow(set(ids))
    stage.await_shadow(set(ids), SECOND)
    stage.connection.call("XGROUP", "DESTROY", stage.of().records, shadow_group(CANDIDATE))
    shadow.logged("group lost")
    shadow.logged("group created")
    more = stage.add(20, seed=1)
    stage.await_shadow(set(more))
    stage.await_shadow(set(more), SECOND)
    assert stage.answered() == stage.answered(SECOND) == Counter([*ids, *more])
    stage.streams.await_results({*ids, *more})
    assert stage.streams.pending() == 0


def test_every_partition_is_shadowed(stage: Stage) -> None:
    stage.candidate()
    scorer = stage.scorer("--partitions", "2")
    stage.shadow()
    fields = [text for name in FEATURES for text in (name, "1")]
    for number in range(2):
        entry = bytes(stage.connection.call("XADD", stage.keys.partition(number).records, "*", *fields))
        reply = stage.connection.call(
            "XREAD", "BLOCK", PATIENCE_MS, "STREAMS", stage.of(partition=number).predictions, "0-0"
        )
        assert decode_prediction(entries_of(reply[0][1])[0]).record == entry
    assert stage.progress(partitions=2).answered_entries == 2
    assert scorer.end() == 0


def test_it_rests_while_its_run_is_in_production_and_goes_on_after_a_rollback(
    stage: Stage, production: RedisRegistry
) -> None:
    file = stage.candidate()
    stage.scorer()
    shadow = stage.shadow(CANDIDATE, "--trim-every-ms", "20")
    production.promote(CANDIDATE, file, 1, "test")
    assert shadow.logged("resting")["reason"] == f"run {CANDIDATE} is in production itself"
    assert groups(stage.connection, stage.of().records) == {SCORERS}
    stage.streams.await_results(set(stage.add(5)))
    assert stage.answered() == Counter()
    production.promote(FIRST_RUN, production.model(FIRST_RUN), 2, "rollback")
    shadow.logged("shadowing")
    ids = stage.add(5)
    stage.await_shadow(set(ids))
    assert stage.answered() == Counter(ids)
    assert stage.progress().missed_entries == 0


def test_a_run_of_another_schema_or_none_is_not_shadowed_and_says_why(stage: Stage) -> None:
    stage.scorer()
    shadow = stage.shadow(CANDIDATE, "--trim-every-ms", "20", wait=False)
    assert f"run {CANDIDATE} is no shadow" in shadow.logged("resting")["reason"]
    stage.shadows.begin(CANDIDATE, stage.make(features=("Area", "Extent")))
    assert "is of another schema than production" in shadow.logged("resting")["reason"]
    assert groups(stage.connection, stage.of().records) == {SCORERS}
    stage.shadows.begin(CANDIDATE, stage.make(seed=5))
    stage.shadows.end(CANDIDATE)
    assert stage.shadows.run_ids() == []


def test_an_ended_shadow_rests_and_leaves_nothing(stage: Stage) -> None:
    stage.candidate()
    stage.scorer()
    shadow = stage.shadow()
    stage.await_shadow(set(stage.add(20)))
    end_shadow(stage.connection, stage.keys, stage.keys.partitions(1), CANDIDATE)
    assert f"run {CANDIDATE} is no shadow" in shadow.logged("resting")["reason"]
    stage.streams.await_results(set(stage.add(20, seed=1)))
    assert shadow.end() == 0
    keys = stage.of()
    assert stage.connection.call("EXISTS", keys.predictions, keys.rejected, keys.start, keys.commit) == 0
    assert groups(stage.connection, keys.records) == {SCORERS}
    with pytest.raises(UsageError, match="there is no shadow"):
        end_shadow(stage.connection, stage.keys, stage.keys.partitions(1), CANDIDATE)


def test_since_when_a_shadow_runs_is_told_once(stage: Stage, keys: PipelineKeys) -> None:
    file = stage.make()
    since_ms = stage.shadows.begin(CANDIDATE, file)
    assert stage.shadows.begin(CANDIDATE, file) == stage.shadows.since_ms(CANDIDATE) == since_ms
    assert stage.shadows.model(CANDIDATE).sha256 == file.sha256
    assert stage.shadows.run_ids() == [CANDIDATE]
    assert stage.connection.call("HEXISTS", keys.models, CANDIDATE) == 0
