"""Alerts that ask to retrain: one event for one episode, whoever asks first."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.entry import entries_of, field_map
from core.fields import encode_fields
from core.keys import TRAINERS, PipelineKeys
from core.registry import Production
from core.scripts.ask_retraining import REMEMBERED_MS, Asked, AskingAlert, ask_retraining
from core.scripts.close_window import Closed, close_window

MODEL, HOUR_MS = "run-1", 3_600_000
EVENT = RetrainEvent(reason="alert", alert="Slow", sentence="It is slow.")
ONE, TWO = AskingAlert("f1", 2_000), AskingAlert("f2", 2_000)


class Stage:
    """A pipeline as far as the two scripts see it."""

    def __init__(self, server: Connection, keys: PipelineKeys) -> None:
        self.server, self.keys, self.window = server, keys, 0
        self.production = Production(MODEL, None, 1, 1_000)

    def promote(self, model: str, at_ms: int = 1_000) -> None:
        self.production = Production(model, MODEL, 2, at_ms)

    def alert(self, *alerts: AskingAlert, cooldown_ms: int = 0) -> Asked:
        return ask_retraining(self.server, self.keys, self.production, EVENT, alerts, cooldown_ms)

    def drift(self, episode: int | None, model: str = MODEL, *, asks: bool = True, cooldown_ms: int = 0) -> Closed:
        """Close a window; by default one that opens an episode and asks."""
        event = encode_fields(RetrainEvent(reason="drift", model=model, episode=episode))
        self.window += 1
        return close_window(
            self.server,
            self.keys,
            self.window - 1,
            b"state",
            [b"window", b"%d" % self.window],
            [],
            [event] if asks else [],
            episode=episode,
            model=model,
            cooldown_ms=cooldown_ms,
        )

    def answer(self) -> None:
        """A trainer takes what there is and acknowledges it."""
        self.deliver()
        for entry in entries_of(self.server.call("XRANGE", self.keys.retrain, "-", "+")):
            self.server.call("XACK", self.keys.retrain, TRAINERS, entry.id)

    def deliver(self) -> None:
        """A trainer takes what there is and is at it."""
        groups = self.server.call("XINFO", "GROUPS", self.keys.retrain)
        if not groups:
            self.server.call("XGROUP", "CREATE", self.keys.retrain, TRAINERS, "0")
        self.server.call("XREADGROUP", "GROUP", TRAINERS, "t", "STREAMS", self.keys.retrain, ">")

    def events(self) -> list[tuple[str, str, str]]:
        """Reason, model and episode of each event."""
        entries = entries_of(self.server.call("XRANGE", self.keys.retrain, "-", "+"))
        return [
            tuple(field_map(entry.fields).get(name, b"-").decode() for name in (b"reason", b"model", b"episode"))  # type: ignore[misc]  # three of them
            for entry in entries
        ]


@pytest.fixture
def server(any_server_url: str) -> Connection:
    return Connection(any_server_url)


@pytest.fixture
def stage(server: Connection, keys: PipelineKeys) -> Stage:
    return Stage(server, keys)


def test_an_alert_writes_one_event_with_the_model_and_its_own_words(stage: Stage) -> None:
    asked = stage.alert(ONE)
    (entry,) = entries_of(stage.server.call("XRANGE", stage.keys.retrain, "-", "+"))
    assert asked == Asked("written", entry.id.decode(), 1, 0, 0)
    assert field_map(entry.fields) == {
        b"_v": b"1",
        b"reason": b"alert",
        b"alert": b"Slow",
        b"sentence": b"It is slow.",
        b"model": MODEL.encode(),
    }


def test_many_alerts_at_once_write_one_event_and_are_all_remembered(stage: Stage) -> None:
    many = [AskingAlert(f"f{number}", 2_000) for number in range(3_000)]
    first = stage.alert(*many)
    assert (first.outcome, first.new) == ("written", 3_000)
    assert stage.alert(*many) == Asked(None, first.event_id, 0, 3_000, 0)
    assert len(stage.events()) == 1


def test_the_same_alert_asks_once_and_is_remembered_for_as_long_as_it_is_said(stage: Stage) -> None:
    asked = stage.alert(ONE)
    stage.answer()
    key = stage.keys.alert(*ONE)
    assert 0 < stage.server.call("PTTL", key) <= REMEMBERED_MS
    stage.server.call("PEXPIRE", key, 60_000)
    assert stage.alert(ONE) == Asked(None, asked.event_id, 0, 1, 0)
    assert stage.server.call("PTTL", key) > REMEMBERED_MS - HOUR_MS
    again = stage.alert(AskingAlert(ONE.fingerprint, 3_000))  # it ended, and began again
    assert (again.outcome, len(stage.events())) == ("written", 2)


def test_an_alert_from_before_the_promotion_is_over(stage: Stage) -> None:
    stage.promote("run-2", at_ms=2_001)
    assert stage.alert(ONE) == Asked(None, None, 0, 0, 1)
    assert stage.alert(ONE, AskingAlert("f2", 2_001)).outcome == "written"
    assert stage.events() == [("alert", "run-2", "-")]


def test_an_alert_in_an_episode_is_its_monitors_event_until_it_ends(stage: Stage) -> None:
    assert stage.drift(1) is Closed.WRITTEN
    stage.answer()
    asked = stage.alert(ONE)
    assert (asked.outcome, stage.events()) == ("coalesced", [("drift", MODEL, "1")])
    stage.promote("run-2")  # the newest window is still of the episode: the alert is about that
    assert stage.alert(TWO).outcome == "coalesced"
    assert stage.drift(None, "run-2", asks=False) is Closed.WRITTEN
    assert stage.alert(AskingAlert("f3", 2_000)).outcome == "written"
    assert stage.events() == [("drift", MODEL, "1"), ("alert", "run-2", "-")]


def test_an_alert_that_came_first_stands_for_the_episode(stage: Stage) -> None:
    """Unanswered: not handed out, then handed out and open."""
    written = stage.alert(ONE)
    assert stage.drift(1) is Closed.ASKED_BEFORE
    stage.answer()
    assert stage.alert(TWO).event_id == written.event_id  # another alert of the same episode
    assert stage.drift(None, asks=False) is Closed.WRITTEN
    stage.alert(AskingAlert("f3", 2_000))
    stage.deliver()
    assert stage.drift(3) is Closed.ASKED_BEFORE
    assert stage.events() == [("alert", MODEL, "-")] * 2


def test_an_alert_that_was_answered_long_ago_stands_for_nothing(stage: Stage) -> None:
    stage.alert(ONE)
    stage.answer()
    assert stage.drift(1, cooldown_ms=0) is Closed.WRITTEN
    assert stage.events() == [("alert", MODEL, "-"), ("drift", MODEL, "1")]


def test_an_alert_that_was_answered_a_moment_ago_stands_for_the_episode(stage: Stage) -> None:
    stage.alert(ONE)
    stage.answer()
    assert stage.drift(1, cooldown_ms=HOUR_MS) is Closed.ASKED_BEFORE
    assert stage.events() == [("alert", MODEL, "-")]


def test_an_alert_about_another_model_stands_for_nothing(stage: Stage) -> None:
    stage.alert(ONE)
    assert stage.drift(1, "run-2", cooldown_ms=HOUR_MS) is Closed.WRITTEN


def test_an_alert_in_an_episode_that_asked_for_nothing_is_its_event_until_it_is_answered(stage: Stage) -> None:
    """As one of records that cannot be used, in which features drift later, perhaps by days."""
    assert stage.drift(1, asks=False) is Closed.WRITTEN
    stage.alert(ONE)
    assert stage.drift(1) is Closed.ASKED_BEFORE
    assert stage.drift(None, asks=False) is Closed.WRITTEN
    stage.answer()
    assert stage.drift(4, asks=False) is Closed.WRITTEN
    assert stage.alert(TWO).outcome == "written"
    stage.answer()
    assert stage.drift(4, cooldown_ms=HOUR_MS) is Closed.WRITTEN
    assert stage.events() == [("alert", MODEL, "1"), ("alert", MODEL, "4"), ("drift", MODEL, "4")]


def test_each_episode_has_its_event_though_nobody_answers(stage: Stage) -> None:
    for episode in (1, 2, 3):
        assert stage.drift(episode, cooldown_ms=HOUR_MS) is Closed.WRITTEN
    assert stage.alert(ONE).outcome == "coalesced"


def test_within_the_cooldown_an_alert_may_ask_again_later(stage: Stage) -> None:
    stage.drift(1)
    stage.answer()
    stage.drift(None, asks=False)
    asked = stage.alert(ONE, cooldown_ms=HOUR_MS)
    assert (asked.outcome, len(stage.events())) == ("cooldown", 1)
    assert stage.alert(ONE).outcome == "written"


def test_a_lost_stream_and_group_do_not_hold_an_alert_back(stage: Stage) -> None:
    stage.alert(ONE)
    stage.server.call("DEL", stage.keys.retrain)
    assert stage.alert(TWO).outcome == "written"


@pytest.mark.parametrize("key", ["retrain", "monitor"])
def test_a_wrong_type_leaves_everything_unchanged(stage: Stage, key: str) -> None:
    name = getattr(stage.keys, key)
    stage.server.call("DEL", name)
    stage.server.call("SET", name, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        stage.alert(ONE)
    assert stage.server.call("EXISTS", stage.keys.alert(*ONE)) == 0
    assert stage.server.call("TYPE", stage.keys.retrain) == (b"string" if key == "retrain" else b"none")


_NEEDED = ("hset", "xadd", "xdel", "hget", "type", "set", "get")


@pytest.mark.parametrize(
    ("command", "asked_before"),
    [*((command, asked) for command in _NEEDED for asked in (False, True)), ("xpending", True)],
)
def test_a_command_that_is_forbidden_leaves_everything_unchanged(
    stage: Stage, any_server_url: str, pipeline: str, command: str, asked_before: bool
) -> None:
    if asked_before:
        stage.alert(TWO)
        stage.answer()
    before = stage.server.call("HGETALL", stage.keys.monitor), stage.events()
    stage.server.call("ACL", "SETUSER", pipeline, "on", ">secret", "allkeys", "+@all", f"-{command}")
    with Connection(any_server_url.replace("redis://", f"redis://{pipeline}:secret@")) as limited:
        with pytest.raises(ResponseError):
            ask_retraining(limited, stage.keys, stage.production, EVENT, [ONE], 0)
        assert (stage.server.call("HGETALL", stage.keys.monitor), stage.events()) == before
        assert stage.server.call("EXISTS", stage.keys.alert(*ONE)) == 0
        stage.server.call("ACL", "SETUSER", pipeline, "+@all")
        assert ask_retraining(limited, stage.keys, stage.production, EVENT, [ONE], 0).outcome == "written"
    stage.server.call("ACL", "DELUSER", pipeline)
