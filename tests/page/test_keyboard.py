"""Everything that a mouse can do, a keyboard can: in a sensible order, and with the focus in sight."""

from __future__ import annotations

from typing import Any

import pytest

from tests.page.browser import Watch, expect
from tests.page.stage import CLOSER, Stage

#: What can be reached, in the order of the document; what is in a closed details cannot.
_REACHABLE = """
() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
  .filter((one) => one.checkVisibility() && !one.disabled)
  .map((one) => { one.dataset.stop ??= String(Math.random()); return one.dataset.stop; })
"""
_FOCUSED = """
() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return null;
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {
    stop: one.dataset.stop ?? "",
    html: one.outerHTML.slice(0, 120),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}
"""
_POINTS = "() => 1 + Number(document.getElementById('score-chart').getAttribute('aria-valuemax'))"
#: The page shows one a second, and a point stands for two and a half.
_MOST_PUSHES = 20


@pytest.fixture
def page(calm: Stage, watch: Watch) -> Any:
    """The page of a pipeline in drift, which has everything on it, and stands still."""
    calm.push_until(lambda: calm.state() == "drift", CLOSER)
    opened = watch.open(calm.page)
    for _ in range(_MOST_PUSHES):  # windows that close in the same moment are one point
        calm.push(100, CLOSER)
        expect(opened.locator("#newest")).to_contain_text(calm.ids[-1])
        if opened.evaluate(_POINTS) >= 3:
            break
    expect(opened.locator("#drift-state")).to_have_attribute("data-state", "drift")
    expect(opened.locator("#newest")).to_contain_text(calm.ids[-1])
    return opened


def test_the_tab_key_reaches_everything_in_order_and_the_focus_is_seen(page: Any) -> None:
    wanted = page.evaluate(_REACHABLE)
    assert len(wanted) > 12
    reached = []
    for _ in wanted:
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        assert focused is not None, "the focus is nowhere"
        assert focused["ring"], f"no ring around {focused['html']}"
        assert focused["seen"], f"out of sight: {focused['html']}"
        reached.append(focused["stop"])
    assert reached == wanted


def test_the_skip_link_goes_past_the_head(page: Any) -> None:
    page.keyboard.press("Tab")
    assert "Skip" in page.evaluate("() => document.activeElement.innerText")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.querySelector('main').contains(document.activeElement)")


@pytest.mark.parametrize("chart", ["#score-chart", "#heat-chart", "#distribution"])
def test_charts_are_read_by_arrow_keys(page: Any, chart: str) -> None:
    slider = page.locator(chart)
    slider.focus()
    page.keyboard.press("End")
    last = slider.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    before = slider.get_attribute("aria-valuetext")
    page.keyboard.press("Home")
    first = slider.get_attribute("aria-valuetext")
    assert last
    assert len({last, before, first}) == 3
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == last
    assert 0 <= float(slider.get_attribute("aria-valuenow")) <= float(slider.get_attribute("aria-valuemax"))


def test_the_heat_map_is_read_by_feature_with_up_and_down(page: Any) -> None:
    heat = page.locator("#heat-chart")
    heat.focus()
    page.keyboard.press("End")
    one = heat.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowDown")
    assert heat.get_attribute("aria-valuetext") != one


def test_a_prediction_opens_by_keyboard_and_its_steps_add_up_to_the_logit(page: Any) -> None:
    summary = page.locator("#newest summary").nth(1)
    summary.focus()
    page.keyboard.press("Enter")
    opened = page.locator("#newest details[open]").filter(has=page.locator("summary:focus"))
    expect(opened).to_have_count(1)
    expect(opened).to_contain_text("bias")
    expect(opened).to_contain_text("logit")
    expect(opened).to_contain_text("Perimeter")
    page.keyboard.press("Enter")
    expect(page.locator("#newest details[open]").filter(has=page.locator("summary:focus"))).to_have_count(0)


def test_the_theme_is_changed_by_keyboard_and_remembered(page: Any) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator("#theme").focus()
    while page.locator("html").get_attribute("data-theme") != "dark":
        page.keyboard.press("Enter")
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(background) == dark
