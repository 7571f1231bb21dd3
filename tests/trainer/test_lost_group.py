"""A group that was lost: what was answered is not answered again, what was told is not told again."""

from __future__ import annotations

from core.drift_window import RetrainEvent
from core.keys import TRAINERS
from tests.both_servers import both_servers
from tests.trainer.conftest import Stage
from tests.trainer.turning import until
from trainer.answer import answered_events

MANUAL = RetrainEvent(reason="manual")


def answered_ids(stage: Stage) -> list[bytes]:
    return [str(run.params["event_id"]).encode() for run in stage.answers()]


@both_servers
def test_events_that_were_answered_are_not_answered_again_and_the_others_are(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    answered = {stage.event(MANUAL) for _ in range(3)}
    until(service, lambda: len(stage.answers()) == 3 and stage.pending() == 0)
    stage.connection.call("XGROUP", "DESTROY", stage.keys.retrain, TRAINERS)
    unread = stage.event(MANUAL)
    until(service, lambda: len(stage.answers()) == 4)
    until(service, lambda: stage.pending() == stage.unread() == 0)
    assert sorted(answered_ids(stage)) == sorted({*answered, unread})


def test_a_second_trainer_that_makes_the_group_again_knows_the_answers_too(stage: Stage) -> None:
    stage.first_model()
    stage.event(MANUAL)
    until(stage.started(), lambda: len(stage.answers()) == 1 and stage.pending() == 0)
    stage.connection.call("XGROUP", "DESTROY", stage.keys.retrain, TRAINERS)
    until(stage.started(), lambda: stage.pending() == stage.unread() == 0)
    assert len(stage.answers()) == 1


def test_only_runs_that_ended_and_are_whole_tell_of_an_answer(stage: Stage) -> None:
    ended, under_way, damaged = (stage.miniflow.start_run("manual") for _ in range(3))
    for number, run in enumerate((ended, under_way, damaged)):
        run.log_params({"event_id": f"{number}-0"})
    for run in (ended, damaged):
        run.finish("refused")
    (damaged.directory / "params.json").write_bytes(b"{")
    assert answered_events(stage.miniflow) == {b"0-0"}


def test_unusable_labels_that_were_told_of_are_not_told_again_and_the_others_are(stage: Stage) -> None:
    stage.first_model()
    service = stage.started()
    told = {stage.plain_label("id", "p", "y", "maybe") for _ in range(3)}
    until(service, lambda: len(stage.unmatched()) == 3)
    stage.connection.call("XADD", stage.keys.unmatched, "*", "hello", "world")
    stage.connection.call("XGROUP", "DESTROY", stage.keys.labels, TRAINERS)
    untold = stage.plain_label("id", "p", "y", "perhaps")
    until(service, lambda: untold in {fields.get(b"record") for fields in stage.unmatched()})
    records = [fields[b"record"] for fields in stage.unmatched() if b"record" in fields]
    assert sorted(records) == sorted({*told, untold})
