"""No violation of axe-core's rules, in both themes, on desktop and phone, in whatever state the pipeline is."""

from __future__ import annotations

import itertools
from typing import Any

from tests.page.browser import DESKTOP, LOST, PHONE, Watch, expect
from tests.page.conftest import MakeStage
from tests.page.stage import CLOSER, Stage
from tests.page.tools import axe_source

_ASK = "() => axe.run(document, {resultTypes: ['violations', 'incomplete']})"
_LOOKS = list(itertools.product((False, True), (DESKTOP, PHONE)))


def violations(page: Any) -> list[str]:
    """What axe-core finds, with everything open as with everything closed: the rule and where."""
    found: list[str] = []
    page.evaluate(axe_source())  # by the debugger, which the page's policy does not bind
    for opened in ("false", "true"):
        page.evaluate(f"() => {{ for (const one of document.querySelectorAll('details')) one.open = {opened}; }}")
        for violation in page.evaluate(_ASK)["violations"]:
            found += [f"{violation['id']}: {node['html'][:160]}" for node in violation["nodes"]]
    return found


def expect_none(watch: Watch, stage: Stage, *, ready: tuple[str, str]) -> None:
    """Look at a state in every theme and size, once an element has an attribute or a text."""
    for dark, size in _LOOKS:
        page = watch.open(stage.page, dark=dark, size=size)
        expect(page.locator(ready[0]).first).to_contain_text(ready[1])
        assert violations(page) == [], f"dark: {dark}, size: {size}"
        assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0]


def test_in_peace(calm: Stage, watch: Watch) -> None:
    expect_none(watch, calm, ready=("#newest", calm.ids[-1]))


def test_in_an_alarm_with_rejections(calm: Stage, watch: Watch) -> None:
    calm.push_until(lambda: calm.state() == "drift", CLOSER)
    plain = calm.producer(block=False)
    plain.send({"Area": "none"}, id="refused")
    plain.flush()
    expect_none(watch, calm, ready=("#rejected-list", "refused"))


def test_with_nothing_to_show(make_stage: MakeStage, watch: Watch) -> None:
    stage = make_stage()
    stage.start("monitor", ready=False)
    expect_none(watch, stage, ready=("#waiting", "streamgauge fit"))


def test_without_contact(calm: Stage, watch: Watch) -> None:
    watch.forgive(LOST)
    pages = [watch.open(calm.page, dark=dark, size=size) for dark, size in _LOOKS]
    for page in pages:
        expect(page.locator("#run")).to_have_text(calm.production())
    assert calm.monitor is not None
    calm.monitor.end()
    for page in pages:
        page.bring_to_front()
        expect(page.locator("html")).to_have_attribute("data-contact", "lost")
        assert violations(page) == []
