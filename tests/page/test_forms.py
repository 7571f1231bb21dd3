"""Models and records of every form: calibrated, many features, blocks and plain records."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from tests.page.browser import DESKTOP, PHONE, Watch, expect
from tests.page.conftest import MakeStage
from tests.page.stage import Stage

_WIDTH = 100


def test_a_calibrated_model_shows_both_probabilities(make_stage: MakeStage, watch: Watch) -> None:
    stage = make_stage()
    stage.fit(calibrate="isotonic")
    for module in ("scorer", "monitor"):
        stage.start(module)
    stage.push_until(lambda: stage.windows() >= 3)
    page = watch.open(stage.page)
    expect(page.locator("#facts")).to_contain_text("isotonic")
    page.locator("#newest summary").first.click()
    expect(page.locator("#newest details").first).to_contain_text("before calibration")
    expect(page.locator("#distribution-note")).to_contain_text("before calibration")


def test_blocks_and_plain_records_stand_side_by_side(calm: Stage, watch: Watch) -> None:
    page = watch.open(calm.page)
    calm.push(4, block=False)
    plain = calm.ids[-1]
    expect(page.locator("#newest")).to_contain_text(plain)
    calm.push(3)
    expect(page.locator("#newest")).to_contain_text(calm.ids[-1])
    expect(page.locator("#newest")).to_contain_text(plain)
    page.locator("#newest summary").filter(has_text=plain).click()
    expect(page.locator("#newest details[open]")).to_contain_text("Perimeter")
    expect(page.locator("#held")).to_be_visible()


def _many_features(make_stage: MakeStage) -> Stage:
    """Features that are called by their numbers; the later ones moved more."""
    stage = make_stage()
    generator = np.random.default_rng(5)
    x = generator.normal(size=(1_500, _WIDTH))
    y = x[:, 0] + generator.normal(0, 0.5, len(x)) > 0
    path: Path = stage.folder / "many.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*range(_WIDTH), "label"])
        writer.writerows([*row, int(label)] for row, label in zip(x.tolist(), y.tolist(), strict=True))
    stage.fit_file(path, "label", "1")
    for module in ("scorer", "monitor"):
        stage.start(module)
    for shift in (0.0, 0.0, 1.0):
        rows = generator.normal(np.linspace(0, 3 * shift, _WIDTH), 1.0, (200, _WIDTH))
        stage.send(rows, [f"wide-{number}" for number in range(len(rows))])
    return stage


def test_a_hundred_features_are_shown_as_those_that_moved_most_and_how_many_are_left_out(
    make_stage: MakeStage, watch: Watch
) -> None:
    stage = _many_features(make_stage)
    page = watch.open(stage.page, size=DESKTOP)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "drift")
    values = page.locator("#shift-rows td.value").all_inner_texts()
    shifts = [abs(float(value.replace("\u2212", "-"))) for value in values]
    assert shifts == sorted(shifts, reverse=True)
    expect(page.locator("#heat-rest")).to_contain_text("of 100")
    expect(page.locator("#shift-left")).to_contain_text(f"{_WIDTH - len(shifts)} features")
    page.locator("#newest summary").first.click()
    expect(page.locator("#newest details[open]")).to_contain_text("88 other features")


def test_a_hundred_features_fit_on_a_phone(make_stage: MakeStage, watch: Watch) -> None:
    stage = _many_features(make_stage)
    page = watch.open(stage.page, size=PHONE)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "drift")
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true; }")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE[0]
