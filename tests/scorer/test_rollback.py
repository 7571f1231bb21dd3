"""A rollback reaches every worker, and none answers with the wrong model after the first that it answered with."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.settings import Settings
from tests.both_servers import both_servers
from tests.scorer.conftest import FIRST_RUN, MakeModelFile, StartScorer
from tests.scorer.scorer_process import Scorer, get
from tests.scorer.streams import Streams
from trainer.commands import rollback

SECOND_RUN = "ba9876543210"
PLAIN = ("Area", "1", "MajorAxisLength", "2", "Eccentricity", "3")
RECORD = json.dumps(dict(zip(PLAIN[::2], (1, 2, 3), strict=True))).encode()


def expect_model(scorers: list[Scorer], run_id: str) -> None:
    """Each says that it uses it."""
    for scorer in scorers:
        while scorer.logged("model in use")["model"] != run_id:
            pass


def answers(scorer: Scorer) -> dict[str, object]:
    """What one of them predicts over HTTP, by the model that it scores the stream with."""
    found: dict[str, object] = json.loads(get(scorer.url + "/predict", RECORD)[1])
    return found


@both_servers
@pytest.mark.usefixtures("production")
def test_a_rollback_reaches_all_of_three_scorers(
    start_scorer: StartScorer,
    server_url: str,
    keys: PipelineKeys,
    registry: RedisRegistry,
    streams: Streams,
    model_file: ModelFile,
    make_model_file: MakeModelFile,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    scorers = [start_scorer("--redis-url", server_url, "--pipeline", keys.pipeline) for _ in range(3)]
    for scorer in scorers:
        scorer.ready()
    expect_model(scorers, FIRST_RUN)
    registry.promote(SECOND_RUN, make_model_file(seed=9), 1, "test")
    expect_model(scorers, SECOND_RUN)
    miniflow = str(tmp_path_factory.mktemp("miniflow"))
    back = rollback(Settings(redis_url=server_url, pipeline=keys.pipeline, miniflow=miniflow))
    assert (back.run_id, back.previous, back.epoch) == (FIRST_RUN, SECOND_RUN, 3)
    expect_model(scorers, FIRST_RUN)
    expected = float(model_file.model.score(np.array([[1.0, 2.0, 3.0]])).logit[0])
    for scorer in scorers:
        assert (answers(scorer)["model"], answers(scorer)["logit"]) == (FIRST_RUN, expected)
    ids = {streams.add(*PLAIN) for _ in range(60)}
    streams.await_results(ids)
    assert {(each.model, each.logit) for each in streams.predictions()} == {(FIRST_RUN, expected)}
