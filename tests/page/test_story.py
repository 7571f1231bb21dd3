"""What a person sees of a pipeline's life: peace, a drift, its alarm, and the model that ends it."""

from __future__ import annotations

import re

from tests.page.browser import Watch, expect
from tests.page.conftest import MakeStage
from tests.page.stage import CLOSER, Stage
from tests.servers import wait_until


def test_a_drift_shows_as_an_alarm_with_its_features_and_a_promotion_ends_it(calm: Stage, watch: Watch) -> None:
    page = watch.open(calm.page)
    first_run = calm.production()
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "ok")
    expect(page.locator("#run")).to_have_text(first_run)
    assert "Drift" not in page.title().split("·")[0]

    calm.push_until(lambda: calm.state() == "drift", CLOSER)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "drift")
    expect(page.locator("#drift-words")).to_contain_text(re.compile("Area|AxisLength|Perimeter"))
    expect(page.locator("#events")).to_contain_text(re.compile("alarm", re.IGNORECASE))
    expect(page.locator("#mark-chart .alarm").first).to_be_attached()
    expect(page).to_have_title(re.compile("Drift"))
    expect(page.locator("#announce")).to_contain_text(re.compile("drift", re.IGNORECASE))
    # ratios of lengths do not change when the camera moves: nobody blames them first
    blamed = page.locator("#shift-rows tr").first
    expect(blamed).to_contain_text(re.compile("Area|AxisLength|Perimeter"))

    calm.push(600, CLOSER)
    calm.label(600)
    wait_until(lambda: calm.production() != first_run, "a promotion")
    expect(page.locator("#run")).to_have_text(calm.production())
    expect(page.locator("#events")).to_contain_text(re.compile("promot", re.IGNORECASE))
    expect(page.locator("#mark-chart .promotion").first).to_be_attached()
    expect(page.locator("#decisions")).to_contain_text(calm.production())
    expect(page.locator("#rollback code")).to_have_text(f"streamgauge rollback --pipeline {calm.pipeline}")
    calm.push_until(lambda: calm.state() == "ok", CLOSER)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "ok")


def test_what_goes_in_and_out_is_shown_as_it_flows(calm: Stage, watch: Watch) -> None:
    page = watch.open(calm.page)
    expect(page.locator("#workers")).to_have_text("2")
    calm.push(900)
    expect(page.locator("#rate-in")).to_have_text(re.compile(r"[1-9]"))
    expect(page.locator("#rate-out")).to_have_text(re.compile(r"[1-9]"))
    expect(page.locator("#backlog")).to_have_text("0")
    expect(page.locator("#newest")).to_contain_text(calm.ids[-1])


def test_a_model_that_is_refused_shows_with_its_sentence(calm: Stage, watch: Watch) -> None:
    first_run = calm.production()
    page = watch.open(calm.page)
    calm.push_until(lambda: calm.state() == "drift", CLOSER)
    calm.push(600, CLOSER)
    calm.label(600, calm.drawn_answers(600))
    expect(page.locator("#decisions")).to_contain_text(re.compile("refus|not promoted", re.IGNORECASE))
    expect(page.locator("#mark-chart .refusal").first).to_be_attached()
    expect(page.locator("#run")).to_have_text(first_run)


def test_rejected_records_show_with_their_reason_and_what_was_wrong(calm: Stage, watch: Watch) -> None:
    page = watch.open(calm.page)
    plain = calm.producer(block=False)
    features = plain.schema.features
    good = dict.fromkeys(features, 1.0)
    plain.send({**good, features[0]: "87,524"}, id="with-a-comma")
    plain.send({name: good[name] for name in features[1:]}, id="without-area")
    plain.flush()
    expect(page.locator("#rejected")).to_have_text("2")
    rejected = page.locator("#rejected-list")
    expect(rejected).to_contain_text("87,524")
    expect(rejected).to_contain_text("without-area")
    expect(page.locator("#rejected-reasons")).to_contain_text("missing")


def test_a_model_that_came_before_its_records_waits_for_them_in_words(make_stage: MakeStage, watch: Watch) -> None:
    stage = make_stage()
    stage.start("monitor", ready=False)
    page = watch.open(stage.page)
    waiting = page.locator("#waiting")
    expect(waiting).to_contain_text("streamgauge fit")
    expect(page.locator("#model-empty")).to_be_visible()
    stage.fit()
    expect(page.locator("#run")).to_have_text(stage.production())
    expect(waiting).to_be_visible()
    expect(waiting).not_to_contain_text("streamgauge fit")
    for module in ("scorer", "trainer"):
        stage.start(module)
    stage.push(300)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "ok")
    expect(waiting).to_be_hidden()
