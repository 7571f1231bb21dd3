"""The model in production and how it came there."""

from __future__ import annotations

import msgspec

from core.model_file import ModelFile
from core.own_figures import OwnFigure, OwnFigures
from tests.both_servers import both_servers
from tests.monitor.live.written import ANOTHER, RUN, Written

pytestmark = both_servers

OWN = OwnFigures(
    rows=180,
    figures=(
        OwnFigure(name="brier", value=0.09, low=0.07, high=0.11),
        OwnFigure(name="log_loss", value=0.31, low=0.25, high=0.36),
        OwnFigure(name="<b>new</b>", value=1.0),
    ),
)


def test_production_is_told_with_its_figures(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file, decision=msgspec.json.encode({"own": OWN, "later": [1]}))
    model = written.look().model
    assert model is not None
    assert (model.run_id, model.previous, model.epoch, model.rollback) == (RUN, None, 1, None)
    assert (model.threshold, model.features, model.train_rows) == (0.5, 2, 300)
    assert [(figure.name, figure.value, figure.low, figure.high) for figure in model.figures] == [
        ("log-loss", 0.31, 0.25, 0.36),
        ("Brier score", 0.09, 0.07, 0.11),
        ("<b>new</b>", 1.0, None, None),
    ]
    assert model.figures_of == "on 180 rows held out when it was trained, with 95 % intervals"
    assert model.figures[0].words == "surprise at the outcomes; lower is better"


def test_figures_that_may_flatter_say_so(written: Written, model_file: ModelFile) -> None:
    seen = msgspec.structs.replace(OWN, may_have_seen=True)
    written.promote(model_file, decision=msgspec.json.encode({"own": seen}))
    model = written.look().model
    assert model is not None
    assert (
        model.figures_of == "on 180 rows that the imported model may have been trained on, which would flatter it"
    )


def test_figures_are_found_once_events_can_be_read(written: Written, model_file: ModelFile) -> None:
    written.connection.call("SET", written.keys.decisions, "x")
    written.promote(model_file, decision=msgspec.json.encode({"own": OWN}))
    without = written.look()
    written.connection.call("DEL", written.keys.decisions)
    after = written.look()
    assert (without.problem is None, after.problem) == (False, None)
    assert after.model is not None
    assert len(after.model.figures) == 3


def test_figures_of_an_earlier_version_are_those_of_the_judged_rows(
    written: Written, model_file: ModelFile
) -> None:
    judged = {
        "candidate": {"rows": 40, "log_loss": 0.3, "auc": None, "accuracy": 0.9},
        "candidate_intervals": {"confidence": 0.95, "log_loss": {"estimate": 0.3, "low": 0.2, "high": 0.4}},
    }
    written.promote(model_file, decision=msgspec.json.encode({"promote": True, "judged": judged}))
    model = written.look().model
    assert model is not None
    assert [(figure.name, figure.low, figure.high) for figure in model.figures] == [
        ("log-loss", 0.2, 0.4),
        ("accuracy", None, None),
    ]


def test_a_run_that_was_put_back_has_the_figures_that_it_came_with(
    written: Written, model_file: ModelFile
) -> None:
    written.promote(model_file, decision=msgspec.json.encode({"own": OWN}))
    written.promote(model_file, ANOTHER, "The candidate is better.")
    second = written.look().model
    written.promote(model_file, RUN, "rollback")
    third = written.look().model
    assert second is not None
    assert third is not None
    assert (len(second.figures), len(third.figures)) == (0, 3)
    assert second.figures_of == "no figures came with this promotion; streamgauge runs has them"
    assert second.rollback == f"streamgauge rollback --pipeline {written.keys.pipeline}"
    assert [(each.kind, each.run_id, each.sentence) for each in third.history] == [
        ("rollback", RUN, f"A person put run {RUN} back into production."),
        ("promotion", ANOTHER, "The candidate is better."),
        ("promotion", RUN, f"Run {RUN} is the first in production."),
    ]


def test_refusals_stand_among_promotions_by_time(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    refusals = (("refused", "Not better."), ("too_few_labels", "12 labels."))
    for number, (outcome, sentence) in enumerate(refusals):
        told = ("run_id", "r", "outcome", outcome, "reason", "drift", "sentence", sentence, "event", "1-1")
        written.add(written.keys.decisions, *told, "ts", 1_000 + number)
    model = written.look().model
    assert model is not None
    assert [(each.kind, each.sentence) for each in model.history[1:]] == [
        ("other", "too few labels: 12 labels."),
        ("refusal", "Not better."),
    ]


def test_a_model_that_is_damaged_is_said_beside_what_is_known(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    written.connection.call("HSET", written.keys.models, RUN, "damaged")
    state = written.look()
    assert state.problem is None
    assert state.model is not None
    assert (state.model.threshold, state.model.features) == (None, 0)
    assert "SHA-256 does not match" in state.model.figures_of
    assert state.predictions.training is None
