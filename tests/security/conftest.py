"""Programs of servers that a test starts with options of its own."""

from __future__ import annotations

import numpy as np
import pytest

from core.model import LogisticModel
from core.model_file import ModelFile
from core.schema import Schema
from tests.drift_references import quick_model_file
from tests.servers import server_program


@pytest.fixture(scope="session")
def redis_server_program() -> str:
    """The distribution's redis-server."""
    return server_program("redis")


@pytest.fixture(params=["valkey", "redis"])
def any_program(request: pytest.FixtureRequest) -> str:
    """Once the embedded Valkey, once redis-server."""
    return server_program(request.param)


@pytest.fixture(scope="session")
def model_file() -> ModelFile:
    """A model of features a and b."""
    rows = np.random.default_rng(3).normal(size=(20, 2))
    model = LogisticModel(Schema(("a", "b"), ("no", "yes")), np.array([0.5, -2.0]), 0.25, np.zeros(2), np.ones(2))
    return quick_model_file(model, rows, 3)
