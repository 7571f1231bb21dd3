"""What the page says when something is wrong: a worker that is gone, one that hangs, a monitor that ended."""

from __future__ import annotations

import re
import signal
from urllib.parse import urlsplit

from tests.page.browser import LOST, Watch, expect
from tests.page.stage import Stage
from tests.servers import kill_server


def test_a_worker_that_is_killed_is_said_to_be_silent(calm: Stage, watch: Watch) -> None:
    second = calm.start("scorer")
    page = watch.open(calm.page)
    expect(page.locator("#workers")).to_have_text("3")
    second.end(signal.SIGKILL)
    expect(page.locator("#workers")).to_have_text("2")
    expect(page.locator("#worker-list")).to_contain_text(re.compile("silent|left"))


def test_a_worker_that_is_stopped_is_said_to_be_gone(calm: Stage, watch: Watch) -> None:
    second = calm.start("scorer")
    page = watch.open(calm.page)
    expect(page.locator("#workers")).to_have_text("3")
    second.end()
    expect(page.locator("#workers")).to_have_text("2")


def test_a_scorer_that_hangs_leaves_a_backlog_that_is_shown_with_its_age(calm: Stage, watch: Watch) -> None:
    page = watch.open(calm.page)
    expect(page.locator("#backlog")).to_have_text("0")
    scorer = calm.scorers[0]
    scorer.send(signal.SIGSTOP)
    calm.push(500)
    expect(page.locator("#backlog")).to_have_text("500")
    expect(page.locator("#backlog-age")).to_contain_text(re.compile(r"\d"))
    expect(page.locator("#worker-list")).to_contain_text("silent")
    scorer.send(signal.SIGCONT)
    expect(page.locator("#backlog")).to_have_text("0")
    expect(page.locator("#worker-list")).not_to_contain_text("silent")


def test_a_monitor_that_ends_is_a_lost_contact_and_the_next_one_on_its_port_brings_it_back(
    calm: Stage, watch: Watch
) -> None:
    page = watch.open(calm.page)
    watch.forgive(LOST)
    expect(page.locator("html")).to_have_attribute("data-contact", "live")
    assert calm.monitor is not None
    port = urlsplit(calm.page).port
    assert port is not None
    calm.monitor.end()
    expect(page.locator("html")).to_have_attribute("data-contact", "lost")
    expect(page.locator("#contact")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("lost contact")
    expect(page.locator("#announce")).to_contain_text(re.compile("lost"))
    expect(page.locator("#run")).to_have_text(calm.production())  # what was known stays, and its age shows
    expect(page.locator("#now .stamp")).to_be_visible()
    calm.start("monitor", port=port)
    expect(page.locator("html")).to_have_attribute("data-contact", "live")
    expect(page.locator("#contact")).to_be_hidden()
    calm.push(300)
    expect(page.locator("#newest")).to_contain_text(calm.ids[-1])


def test_a_server_that_goes_away_is_said_and_what_was_known_stays(own_calm: Stage, watch: Watch) -> None:
    page = watch.open(own_calm.page)
    expect(page.locator("#run")).to_have_text(own_calm.production())
    run = own_calm.production()
    kill_server(urlsplit(own_calm.url).port or 0)
    expect(page.locator("#problem, #contact").filter(visible=True).first).to_be_visible()
    expect(page.locator("#run")).to_have_text(run)
