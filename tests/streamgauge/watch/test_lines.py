"""Where no screen can be, a look is a line."""

from __future__ import annotations

import json

import msgspec

from monitor.live.state import LiveState
from streamgauge.watch.lines import state_line, text_line
from streamgauge.watch.look import Look
from tests.streamgauge.watch.states import drifting_state, empty_state, hostile_state


def test_a_line_has_the_facts() -> None:
    line = text_line(Look(drifting_state()))
    for word in (
        "16:03:44",
        "in 1,203/s",
        "scorers 2",
        "window 50 drift score 1.420 of 0.600 Area",
        "3f2a9c01bd7e",
    ):
        assert word in line


def test_a_line_stays_one_line_without_control_characters() -> None:
    for look in (Look(hostile_state()), Look(hostile_state(), lost="\x1b[2J\n")):
        assert text_line(look).isprintable()
        assert state_line(look).isprintable()


def test_json_is_the_state_as_the_page_gets_it() -> None:
    for state in (drifting_state(), empty_state()):
        assert msgspec.json.decode(state_line(Look(state)), type=LiveState) == state


def test_json_of_a_failed_look_says_so() -> None:
    assert json.loads(state_line(Look(drifting_state(), lost="gone", age_s=3.0))) == {"lost": "gone", "age_s": 3.0}


def test_a_line_says_what_is_missing() -> None:
    assert "no model is in production" in text_line(Look(empty_state()))
    assert text_line(Look()) == "looking ..."
