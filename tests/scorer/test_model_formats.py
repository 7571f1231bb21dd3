"""Scorers in a rolling upgrade: models of older formats are used, newer ones leave them with what they have."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.redis_registry import RedisRegistry
from tests.both_servers import both_servers
from tests.model_formats import format_3, format_3_bytes, newer, newer_bytes, said_of_format_3
from tests.scorer.conftest import FIRST_RUN, StartScorer
from tests.scorer.scorer_process import get
from tests.scorer.streams import Streams

OLD_RUN, NEW_RUN = "333333333333", "555555555555"


def plain(row: int) -> tuple[str, ...]:
    """A record of which it is known what the model says."""
    features = format_3().model.schema.features
    values = said_of_format_3().rows[row]
    return tuple(part for name, value in zip(features, values, strict=True) for part in (name, repr(value)))


@both_servers
def test_a_scorer_answers_by_a_production_of_format_3_and_keeps_it_when_a_newer_one_comes(
    start_scorer: StartScorer, server_url: str, pipeline: str, registry: RedisRegistry, streams: Streams
) -> None:
    registry.promote(OLD_RUN, format_3(), 0, "before the upgrade")
    scorer = start_scorer("--redis-url", server_url, "--pipeline", pipeline).ready()
    streams.await_results({streams.add(*plain(0))})
    registry.promote(NEW_RUN, newer(format_3()), 1, "by a scorer's successor")
    assert "upgrade streamgauge" in scorer.logged("model not loaded")["error"]
    streams.await_results({streams.add(*plain(row)) for row in range(1, 5)})
    said = {prediction.probability for prediction in streams.predictions()}
    assert said == set(said_of_format_3().probability)
    assert {prediction.model for prediction in streams.predictions()} == {OLD_RUN}
    assert get(scorer.url + "/readyz")[0] == 200
    registry.promote(FIRST_RUN, format_3(), 2, "rollback")
    while scorer.logged("model in use")["model"] != FIRST_RUN:
        pass
    assert scorer.end() == 0
    assert sum('"model not loaded"' in line for line in scorer.log) == 1


def test_a_scorer_that_starts_with_a_newer_production_reads_nothing_and_says_what_helps(
    start_scorer: StartScorer, server_url: str, pipeline: str, registry: RedisRegistry, streams: Streams
) -> None:
    registry.promote(NEW_RUN, newer(format_3()), 0, "by a later version")
    waiting = streams.add(*plain(0))
    scorer = start_scorer("--redis-url", server_url, "--pipeline", pipeline)
    scorer.wait_for("listening")
    scorer.logged("model not loaded")
    status, body = get(scorer.url + "/readyz")
    assert (status, streams.pending()) == (503, 0)
    assert f"run {NEW_RUN} is in production" in body.decode()
    assert "upgrade streamgauge" in body.decode()
    status, body = get(scorer.url + "/predict", b"{}")
    assert (status, "upgrade streamgauge" in body.decode()) == (503, True)
    registry.promote(OLD_RUN, format_3(), 1, "rollback")
    scorer.ready()
    streams.await_results({waiting})


def test_without_redis_a_newer_production_is_told_alike(start_scorer: StartScorer, tmp_path: Path) -> None:
    registry, miniflow = FileRegistry(tmp_path / "runs", "default"), MiniFlow(tmp_path / "runs", "default")
    run, later = miniflow.start_run("test"), miniflow.start_run("test")
    run.write_artifact(MODEL_ARTIFACT, format_3_bytes())
    later.write_artifact(MODEL_ARTIFACT, newer_bytes(format_3_bytes()))
    production = registry.promote(run.run_id, format_3(), 0, "before the upgrade")
    names = format_3().model.schema.features
    body = json.dumps(dict(zip(names, said_of_format_3().rows[0], strict=True))).encode()
    scorer = start_scorer("--miniflow", str(tmp_path / "runs"), folder=tmp_path).ready()
    assert json.loads(get(scorer.url + "/predict", body)[1])["p_class1"] == said_of_format_3().probability[0]
    registry.mirror(msgspec.structs.replace(production, run_id=later.run_id, epoch=2))
    assert "upgrade streamgauge" in scorer.logged("waiting")["error"]
    assert json.loads(get(scorer.url + "/predict", body)[1])["model"] == run.run_id
    assert get(scorer.url + "/readyz")[0] == 200
    assert scorer.end() == 0
    scorer = start_scorer("--miniflow", str(tmp_path / "runs"), folder=tmp_path)
    scorer.wait_for("listening")
    assert "upgrade streamgauge" in scorer.logged("waiting")["error"]
    status, answer = get(scorer.url + "/readyz")
    assert (status, "upgrade streamgauge" in answer.decode()) == (503, True)
    registry.mirror(production)
    scorer.ready()
