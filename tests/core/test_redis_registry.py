from __future__ import annotations

import numpy as np
import pytest

from core.connection import Connection
from core.entry import entries_of, field_map
from core.errors import ModelFileError, RegistryError, Superseded, UnknownRun
from core.keys import TRAINERS, PipelineKeys
from core.model import LogisticModel
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.registry import Registry
from core.schema import Schema
from core.scripts.promote import AnsweredEvent
from tests.drift_references import quick_model_file


def a_model(seed: int) -> ModelFile:
    rows = np.random.default_rng(seed).normal(size=(20, 2))
    model = LogisticModel(Schema(("a", "b")), rows[0], float(seed), np.zeros(2), np.ones(2))
    return quick_model_file(model, rows, seed)


@pytest.fixture
def registry(connection: Connection, keys: PipelineKeys) -> RedisRegistry:
    return RedisRegistry(connection, keys)


def test_an_empty_registry_has_no_production(registry: RedisRegistry) -> None:
    backend: Registry = registry
    assert backend.production() is None
    assert registry.history(5) == []


def test_a_promoted_model_comes_back_byte_for_byte(any_server_url: str, keys: PipelineKeys) -> None:
    with Connection(any_server_url) as connection:
        registry = RedisRegistry(connection, keys)
        promoted = registry.promote("run-1", a_model(1), 0, "first")
        assert registry.production() == promoted
        assert registry.model("run-1").encoded == a_model(1).encoded


def test_the_second_of_two_promotions_at_one_epoch_is_superseded(registry: RedisRegistry) -> None:
    registry.promote("run-1", a_model(1), 0, "first")
    with pytest.raises(Superseded):
        registry.promote("run-2", a_model(2), 0, "late")
    production = registry.production()
    assert production is not None
    assert production.run_id == "run-1"
    with pytest.raises(UnknownRun):
        registry.model("run-2")


def test_a_run_promoted_over_itself_keeps_the_way_back(registry: RedisRegistry) -> None:
    registry.promote("run-1", a_model(1), 0, "first")
    registry.promote("run-2", a_model(2), 1, "better")
    assert registry.promote("run-2", a_model(2), 2, "again").previous == "run-1"


def test_promotion_acknowledges_its_event(
    registry: RedisRegistry, connection: Connection, keys: PipelineKeys
) -> None:
    connection.call("XGROUP", "CREATE", keys.retrain, TRAINERS, "0", "MKSTREAM")
    event = connection.call("XADD", keys.retrain, "*", "reason", "drift")
    connection.call("XREADGROUP", "GROUP", TRAINERS, "one", "STREAMS", keys.retrain, ">")
    registry.promote("run-1", a_model(1), 0, "drift", event=AnsweredEvent(event))
    assert connection.call("XPENDING", keys.retrain, TRAINERS)[0] == 0


def test_history_is_newest_first_and_bounded(registry: RedisRegistry) -> None:
    for epoch in range(3):
        registry.promote(f"run-{epoch}", a_model(epoch), epoch, f"reason {epoch}")
    newest, before = registry.history(2)
    assert (newest.run_id, newest.previous, newest.epoch, newest.reason) == ("run-2", "run-1", 3, "reason 2")
    assert before.run_id == "run-1"
    assert newest.entry_id > before.entry_id


def test_a_promotion_carries_the_decision_that_led_to_it(
    registry: RedisRegistry, connection: Connection, keys: PipelineKeys
) -> None:
    registry.promote("run-1", a_model(1), 0, "by hand")
    registry.promote("run-2", a_model(2), 1, "better", b'{"promote":true}')
    newest, before = registry.history(2)
    assert (newest.decision, before.decision) == (b'{"promote":true}', b"")
    by_hand, decided = entries_of(connection.call("XRANGE", keys.promotions, "-", "+"))
    assert b"decision" not in field_map(by_hand.fields)
    assert field_map(decided.fields)[b"decision"] == b'{"promote":true}'


def test_an_altered_model_is_refused(registry: RedisRegistry, connection: Connection, keys: PipelineKeys) -> None:
    registry.promote("run-1", a_model(1), 0, "first")
    connection.call("HSET", keys.models, "run-1", a_model(2).encoded)
    with pytest.raises(ModelFileError, match="SHA-256"):
        registry.model("run-1")
    connection.call("HDEL", keys.models, "run-1:sha256")
    with pytest.raises(ModelFileError, match="promote the run again"):
        registry.model("run-1")


def test_a_damaged_pointer_is_an_error_that_names_its_key(
    registry: RedisRegistry, connection: Connection, keys: PipelineKeys
) -> None:
    connection.call("HSET", keys.production, "run_id", "run-1", "previous", "", "epoch", "many")
    with pytest.raises(RegistryError, match="production"):
        registry.production()


def test_pruning_keeps_production_previous_and_the_newest(
    registry: RedisRegistry, connection: Connection, keys: PipelineKeys
) -> None:
    for epoch in range(6):
        registry.promote(f"run-{epoch}", a_model(epoch), epoch, "next")
    registry.promote("run-0", a_model(0), 6, "rollback")
    assert registry.prune(keep=3) == 3
    names = {name.decode() for name in connection.call("HKEYS", keys.models)}
    kept = {"run-0", "run-5", "run-4"}
    assert names == kept | {f"{run}:sha256" for run in kept}
    assert registry.prune(keep=3) == 0


def test_pruning_to_none_keeps_production_and_previous(registry: RedisRegistry) -> None:
    for epoch in range(3):
        registry.promote(f"run-{epoch}", a_model(epoch), epoch, "next")
    assert registry.prune(keep=0) == 1
    assert registry.model("run-2").sha256 == a_model(2).sha256
    assert registry.model("run-1").sha256 == a_model(1).sha256
