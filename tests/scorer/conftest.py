"""A model in production, scorers that are ended with their test, and the pipeline's streams."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.model import LogisticModel
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.schema import Schema
from tests.drift_references import quick_model_file
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams

FEATURES = ("Area", "MajorAxisLength", "Eccentricity")
FIRST_RUN = "0123456789ab"

MakeModelFile = Callable[..., ModelFile]
StartScorer = Callable[..., Scorer]


def _make_model_file(features: tuple[str, ...] = FEATURES, seed: int = 3) -> ModelFile:
    """A model whose weights depend on the seed."""
    generator = np.random.default_rng(seed)
    width = len(features)
    rows = generator.normal(size=(20, width))
    center, scale = generator.normal(size=width) * 10, generator.uniform(0.5, 30, width)
    scale[-1] = 1e-3  # so that 1e308 overflows
    model = LogisticModel(
        Schema(features, ("Kecimen", "Besni")), generator.normal(size=width), 0.3125 + seed, center, scale
    )
    return quick_model_file(model, rows, seed)


@pytest.fixture
def make_model_file() -> MakeModelFile:
    """Makes a model file of given features and seed."""
    return _make_model_file


@pytest.fixture
def model_file() -> ModelFile:
    return _make_model_file()


@pytest.fixture
def streams(connection: Connection, keys: PipelineKeys) -> Streams:
    return Streams(connection, keys)


@pytest.fixture
def registry(connection: Connection, keys: PipelineKeys) -> RedisRegistry:
    return RedisRegistry(connection, keys)


@pytest.fixture
def production(registry: RedisRegistry, model_file: ModelFile) -> RedisRegistry:
    """A registry with a model in production."""
    registry.promote(FIRST_RUN, model_file, 0, "first")
    return registry


@pytest.fixture
def start_scorer() -> Iterator[StartScorer]:
    """Start scorers; those that still run at the end of the test are killed."""
    started: list[Scorer] = []

    def start(*options: str, **more: Any) -> Scorer:
        started.append(Scorer(*options, **more))
        return started[-1]

    yield start
    for scorer in started:
        if scorer.process.poll() is None:
            scorer.end(signal.SIGKILL)


@pytest.fixture
def scorer(start_scorer: StartScorer, server_url: str, pipeline: str, production: RedisRegistry) -> Scorer:
    """One scorer, ready."""
    assert production.production() is not None
    return start_scorer("--redis-url", server_url, "--pipeline", pipeline).ready()
