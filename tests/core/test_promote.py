"""Promotion: compare-and-set on the epoch, with the event's acknowledgement in the same step."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
from redis.exceptions import ResponseError

from core.connection import Connection
from core.drift_null import TAILS
from core.entry import entries_of, field_map
from core.errors import Superseded
from core.keys import TRAINERS, PipelineKeys
from core.model import LogisticModel
from core.model_file import ModelFile, read_model_file
from core.profile import TrainingProfile
from core.schema import Schema
from core.scripts.promote import AnsweredEvent, promote
from tests.drift_references import quick_concept, quick_reference

MAX_ID = "18446744073709551615-18446744073709551615"


@cache
def model_file() -> ModelFile:
    one = np.ones(1)
    profile = TrainingProfile(("a",), 10, one, one, np.eye(1), np.linspace(1, 2, len(TAILS)), 0)
    model = LogisticModel(Schema(("a",)), one, 0.5, one, one)
    x = np.arange(10.0)[:, None]
    return ModelFile(model, profile, quick_reference(model, profile, x), quick_concept(model, x))


def event(server: Connection, keys: PipelineKeys) -> bytes:
    """A retrain event that the trainer holds."""
    server.call("XGROUP", "CREATE", keys.retrain, TRAINERS, "0", "MKSTREAM")
    entry_id = bytes(server.call("XADD", keys.retrain, "*", "why", "drift"))
    server.call("XREADGROUP", "GROUP", TRAINERS, "t", "STREAMS", keys.retrain, ">")
    return entry_id


def pending(server: Connection, keys: PipelineKeys) -> int:
    return int(server.call("XPENDING", keys.retrain, TRAINERS)[0])


def state(server: Connection, keys: PipelineKeys) -> tuple[object, ...]:
    promotions = server.call("XLEN", keys.promotions) if server.call("TYPE", keys.promotions) == b"stream" else 0
    return server.call("HGETALL", keys.production), promotions


def test_pointer_model_promotion_and_event_change_together(server: Connection, keys: PipelineKeys) -> None:
    entry_id = event(server, keys)
    production = promote(server, keys, "run1", model_file(), 0, "drift", AnsweredEvent(entry_id))
    assert (production.run_id, production.previous, production.epoch) == ("run1", None, 1)
    assert field_map(server.call("HGETALL", keys.production)) == {
        b"run_id": b"run1", b"previous": b"", b"epoch": b"1", b"updated_ts_ms": b"%d" % production.updated_ts_ms,
    }  # fmt: skip
    stored, digest = server.call("HMGET", keys.models, "run1", "run1:sha256")
    assert read_model_file(stored, digest.decode()).encoded == model_file().encoded
    assert digest.decode() == hashlib.sha256(stored).hexdigest()
    (told,) = entries_of(server.call("XRANGE", keys.promotions, "-", "+"))
    fields = field_map(told.fields)
    assert (fields[b"run_id"], fields[b"previous"], fields[b"epoch"], fields[b"reason"]) == (
        b"run1",
        b"",
        b"1",
        b"drift",
    )
    assert pending(server, keys) == 0


def test_of_two_promotions_exactly_one_wins(server: Connection, keys: PipelineKeys) -> None:
    entry_id = event(server, keys)
    promote(server, keys, "run1", model_file(), 0, "first")
    before = state(server, keys)
    with pytest.raises(Superseded, match="epoch 1, not 0"):
        promote(server, keys, "run2", model_file(), 0, "late", AnsweredEvent(entry_id))
    assert state(server, keys) == before
    assert server.call("HEXISTS", keys.models, "run2") == 0
    assert pending(server, keys) == 1  # the loser decides what becomes of its event
    production = promote(server, keys, "run2", model_file(), 1, "again", AnsweredEvent(entry_id))
    assert (production.previous, production.epoch) == ("run1", 2)
    assert pending(server, keys) == 0


def test_an_event_that_was_answered_meanwhile_promotes_nothing(server: Connection, keys: PipelineKeys) -> None:
    entry_id = event(server, keys)
    promote(server, keys, "run1", model_file(), 0, "first")
    server.call("XACK", keys.retrain, TRAINERS, entry_id)  # refused by another
    before = state(server, keys)
    with pytest.raises(Superseded, match=f"answered event {entry_id.decode()}"):
        promote(server, keys, "run2", model_file(), 1, "late", AnsweredEvent(entry_id))
    assert state(server, keys) == before


def test_an_event_that_is_tried_again_meanwhile_is_left_to_that_attempt(
    server: Connection, keys: PipelineKeys
) -> None:
    entry_id = event(server, keys)
    promote(server, keys, "run1", model_file(), 0, "first")
    server.call("HSET", keys.production, "attempt", entry_id + b" 200 1")
    with pytest.raises(Superseded, match="answered event"):
        promote(server, keys, "run2", model_file(), 1, "late", AnsweredEvent(entry_id))
    second = AnsweredEvent(entry_id, note=entry_id + b" 200 1")
    assert promote(server, keys, "run2", model_file(), 1, "the second attempt", second).epoch == 2


def test_a_note_on_another_event_is_no_obstacle(server: Connection, keys: PipelineKeys) -> None:
    entry_id = event(server, keys)
    promote(server, keys, "run1", model_file(), 0, "first")
    server.call("HSET", keys.production, "attempt", b"9-0 200 1")
    assert promote(server, keys, "run2", model_file(), 1, "drift", AnsweredEvent(entry_id)).epoch == 2


def test_an_epoch_that_is_ahead_is_refused_too(server: Connection, keys: PipelineKeys) -> None:
    with pytest.raises(Superseded):
        promote(server, keys, "run1", model_file(), 5, "too soon")
    assert server.call("EXISTS", keys.production, keys.models, keys.promotions) == 0


def test_without_an_event_nothing_is_acknowledged(server: Connection, keys: PipelineKeys) -> None:
    event(server, keys)
    promote(server, keys, "run1", model_file(), 0, "by hand")
    assert pending(server, keys) == 1


@pytest.mark.parametrize("key", ["production", "promotions", "models", "retrain"])
def test_a_wrong_type_leaves_production_unchanged(server: Connection, keys: PipelineKeys, key: str) -> None:
    server.call("SET", getattr(keys, key), "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        promote(server, keys, "run1", model_file(), 0, "r", AnsweredEvent(b"1-1"))
    server.call("DEL", getattr(keys, key))
    assert state(server, keys) == ([], 0)
    assert promote(server, keys, "run1", model_file(), 0, "r", AnsweredEvent(b"1-1")).epoch == 1


def test_an_exhausted_promotions_stream_leaves_production_unchanged(
    server: Connection, keys: PipelineKeys
) -> None:
    entry_id = event(server, keys)
    server.call("XADD", keys.promotions, MAX_ID, "last", "one")
    with pytest.raises(ResponseError, match=r"exhausted|ID"):
        promote(server, keys, "run1", model_file(), 0, "r", AnsweredEvent(entry_id))
    assert state(server, keys) == ([], 1)
    assert pending(server, keys) == 1


@pytest.mark.parametrize("command", ["hset", "xadd", "xack", "xdel", "xpending"])
def test_a_command_that_is_forbidden_leaves_production_unchanged(
    server: Connection, any_server_url: str, keys: PipelineKeys, pipeline: str, command: str
) -> None:
    entry_id = event(server, keys)
    server.call("ACL", "SETUSER", pipeline, "on", ">secret", "allkeys", "+@all", f"-{command}")
    with (
        Connection(any_server_url.replace("redis://", f"redis://{pipeline}:secret@")) as limited,
        pytest.raises(ResponseError),
    ):
        promote(limited, keys, "run1", model_file(), 0, "r", AnsweredEvent(entry_id))
    server.call("ACL", "DELUSER", pipeline)
    assert state(server, keys) == ([], 0)
    assert pending(server, keys) == 1


def test_production_that_is_forbidden_takes_its_news_back(
    server: Connection, any_server_url: str, keys: PipelineKeys, pipeline: str
) -> None:
    others = [f"~{key}" for key in (keys.promotions, keys.models, keys.retrain)]
    server.call("ACL", "SETUSER", pipeline, "on", ">secret", "+@all", f"%R~{keys.production}", *others)
    with (
        Connection(any_server_url.replace("redis://", f"redis://{pipeline}:secret@")) as limited,
        pytest.raises(ResponseError),
    ):
        promote(limited, keys, "run1", model_file(), 0, "r")
    server.call("ACL", "DELUSER", pipeline)
    assert state(server, keys) == ([], 0)


def test_a_full_server_still_promotes(full_server: Connection, keys: PipelineKeys) -> None:
    assert promote(full_server, keys, "run1", model_file(), 0, "r").epoch == 1
