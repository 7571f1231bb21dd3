"""What is kept: the services trim by it, as the table of keys in docs/reference/wire.md says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import retention
from core.connection import Connection
from core.keys import PipelineKeys
from core.log import logger
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.settings import Settings
from monitor.service import Monitor
from tests.monitor.scenario import make_model
from trainer.dataset import Dataset
from trainer.label_intake import LabelIntake
from trainer.service import Trainer

DAY_MS = 24 * 3_600_000


@pytest.fixture
def server(any_server_url: str) -> Iterator[Connection]:
    with Connection(any_server_url) as open_connection:
        yield open_connection


@pytest.fixture
def settings(any_server_url: str, pipeline: str, tmp_path: Path) -> Settings:
    return Settings(redis_url=any_server_url, pipeline=pipeline, http_port=0, miniflow=str(tmp_path))


def fill(server: Connection, stream: str) -> None:
    """An entry that is too old for everything, and 400 kB of new ones."""
    server.call("XADD", stream, "1-0", "a", "old")
    server.pipeline([("XADD", stream, "*", "a", b"x" * 1_000) for _ in range(400)])


def assert_trimmed(server: Connection, stream: str, keep_bytes: int) -> None:
    assert server.call("XRANGE", stream, "1-0", "1-0") == []
    assert 0.8 * keep_bytes <= server.call("MEMORY", "USAGE", stream, "SAMPLES", 0) <= 1.1 * keep_bytes


@pytest.mark.parametrize("name", ["drift", "samples"])
def test_the_monitor_trims_what_it_writes(
    server: Connection, settings: Settings, keys: PipelineKeys, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    stream = getattr(keys, name)
    fill(server, stream)
    monkeypatch.setattr(f"monitor.service.{name.upper()}", (DAY_MS, 100_000))
    service = Monitor(settings)
    service.start()
    service.step()
    service.close()
    service.http.close()
    assert_trimmed(server, stream, 100_000)


def test_the_trainer_trims_what_it_sets_aside(
    server: Connection, settings: Settings, keys: PipelineKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(server, keys.unmatched)
    monkeypatch.setattr("trainer.label_intake.UNMATCHED", (DAY_MS, 100_000))
    intake = LabelIntake(server, keys, "tester", settings, logger("trainer", keys.pipeline))
    intake.join()
    intake.retire(Dataset(server, keys, make_model(("a", "b"), 1).model.schema, settings))
    assert_trimmed(server, keys.unmatched, 100_000)


def test_models_that_were_promoted_by_hand_are_pruned_too(
    server: Connection, settings: Settings, keys: PipelineKeys
) -> None:
    """Nothing asks for a retraining, so the trainer answers nothing; it still follows production."""
    file: ModelFile = make_model(("a", "b"), 1)
    registry = RedisRegistry(server, keys)
    for epoch in range(retention.MODELS + 5):
        registry.promote(f"{epoch:012x}", file, epoch, "by hand")
    service = Trainer(settings)
    service.start()
    service.close()
    service.http.close()
    stored = server.call("HKEYS", keys.models)
    assert len(stored) == 2 * retention.MODELS  # each with its digest; production and previous are among them
    assert b"%012x" % (retention.MODELS + 4) in stored
    assert b"%012x" % 4 not in stored
