"""What the demo profile of docker-compose.yml begins with: a first model once, and rows whose camera moves."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.redis_registry import RedisRegistry
from core.settings import Settings
from streamgauge.demo.camera import magnify
from streamgauge.demo.row_file import LABEL
from streamgauge.demo.seed import CLOSER, DRAWS_A_SCENE, FIRST, TRAFFIC, seed
from tests.scorer.scorer_process import CHECKOUT

SCENE = DRAWS_A_SCENE * 900


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_first_model_is_fitted_and_stays(
    tmp_path: Path, server_url: str, pipeline: str, connection: Connection, keys: PipelineKeys
) -> None:
    settings = Settings(redis_url=server_url, pipeline=pipeline, miniflow=str(tmp_path / "miniflow"))
    said = seed(tmp_path, settings, scenes=1)
    production = RedisRegistry(connection, keys).production()
    assert production is not None
    assert said.startswith(f"run {production.run_id}: ")
    again = seed(tmp_path, settings, scenes=1)
    assert again.startswith(f"run {production.run_id} is in production already")
    assert RedisRegistry(connection, keys).production() == production


def test_every_second_scene_is_from_closer(tmp_path: Path, server_url: str, pipeline: str) -> None:
    settings = Settings(redis_url=server_url, pipeline=pipeline, miniflow=str(tmp_path / "miniflow"))
    seed(tmp_path, settings, scenes=2)
    first, traffic = rows(tmp_path / FIRST), rows(tmp_path / TRAFFIC)
    assert (len(first), len(traffic)) == (900, 2 * SCENE)
    features = tuple(name for name in first[0] if name != LABEL)
    means = [
        np.array([[float(row[name]) for name in features] for row in part]).mean(axis=0)
        for part in (traffic[:SCENE], traffic[SCENE:])
    ]
    expected = magnify(means[0][np.newaxis, :], features, CLOSER)[0]
    assert means[1] == pytest.approx(expected, rel=0.02)
    assert means[1][0] > 1.5 * means[0][0]
    assert {row[LABEL] for row in traffic} == {row[LABEL] for row in first}


@pytest.mark.parametrize("url", [None, "redis://:secret@127.0.0.1:1/0"])
def test_without_a_server_it_is_one_sentence(tmp_path: Path, url: str | None) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
    given = {"STREAMGAUGE_REDIS_URL": url} if url else {}
    done = subprocess.run(
        [sys.executable, "-m", "streamgauge.demo.seed", str(tmp_path)],
        cwd=tmp_path,
        env={**kept, **given, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "secret" not in done.stderr
