"""A pipeline to look at."""

from __future__ import annotations

import pytest

from core.connection import Connection
from core.model_file import ModelFile
from tests.monitor.live.written import Written
from tests.monitor.scenario import make_model


@pytest.fixture
def written(connection: Connection, pipeline: str) -> Written:
    """A pipeline of one partition that nobody has written to."""
    return Written(connection, pipeline)


@pytest.fixture(scope="session")
def model_file() -> ModelFile:
    """A model of two features."""
    return make_model(("a", "b"), 1)
