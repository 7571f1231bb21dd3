"""Models, scenarios, and what a monitor wrote."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.connection import Connection
from core.entry import entries_of
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.settings import Settings
from tests.monitor.running import Feed
from tests.monitor.scenario import Scenario, ScenarioMaker, dice_of, make_model

Outputs = dict[str, list[list[bytes]]]
Read = Callable[[PipelineKeys], Outputs]
MakeScenario = Callable[..., Scenario]


@pytest.fixture(scope="session")
def files() -> list[ModelFile]:
    """Three models, the third one of another schema."""
    features = ("a", "b", "constant")
    return [make_model(features, 1), make_model(features, 2), make_model(("b", "c"), 3)]


@pytest.fixture
def outputs(connection: Connection) -> Read:
    """What a monitor wrote, as sequences of field lists; entry ids differ between pipelines."""

    def read(keys: PipelineKeys) -> Outputs:
        return {
            name: [entry.fields for entry in entries_of(connection.call("XRANGE", key, "-", "+"))]
            for name, key in (("drift", keys.drift), ("samples", keys.samples), ("retrain", keys.retrain))
        }

    return read


@pytest.fixture(scope="session")
def make_scenario(files: list[ModelFile]) -> MakeScenario:
    """Makes a scenario of seed, entries and partitions; the first two of the models are of one schema."""

    def make(seed: int, entries: int, partitions: int, models: int = 3) -> Scenario:
        maker = ScenarioMaker(files[:models], dice_of(seed), np.random.default_rng(seed))
        return maker.make(entries, partitions)

    return make


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backlog figures with every step, and steps that take no half second."""
    monkeypatch.setattr("monitor.service.LAG_EVERY_S", 0.0)
    monkeypatch.setattr("monitor.service.BLOCK_MS", 30)


@pytest.fixture
def options(server_url: str, pipeline: str) -> Settings:
    """Settings under which a window of 50 records closes soon, and one calm window ends an episode."""
    return Settings(
        redis_url=server_url,
        pipeline=pipeline,
        http_port=0,
        window_records=50,
        window_limit_s=0.3,
        retrain_cooldown_s=0.0,
        recovery_windows=1,
        window_min_records=20,
    )


@pytest.fixture
def feed(connection: Connection, keys: PipelineKeys) -> Feed:
    """Promotes and pushes."""
    return Feed(connection, keys)
