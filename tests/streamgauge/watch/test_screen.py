"""The screen says what matters at any size, and nothing that a stream holds draws on it."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from monitor.live.state import LiveState
from streamgauge.watch.glyphs import BLOCKS, PLAIN, Glyphs, glyphs_for
from streamgauge.watch.layout import screen
from streamgauge.watch.look import STALE_S, Look
from streamgauge.watch.score_chart import columns_of
from tests.streamgauge.watch.states import DRIFTS_FROM, WINDOWS, drifting_state, empty_state, hostile_state

STATES = {"drifting": drifting_state, "empty": empty_state, "hostile": hostile_state}


def drawn(look: Look, width: int = 80, height: int = 24, glyphs: Glyphs = BLOCKS) -> list[str]:
    return [line.plain.rstrip() for line in screen(look, width, height, glyphs, keys=True)]


def expect(look: Look, *words: str, width: int = 80, height: int = 24) -> None:
    """All words stand on the screen; a word is looked for within its line."""
    lines = drawn(look, width, height)
    for word in words:
        assert any(word in line for line in lines), (word, lines)


def printed(lines: list[Text], *, colours: bool) -> str:
    out = io.StringIO()
    system = "standard" if colours else None
    console = Console(file=out, width=200, force_terminal=True, color_system=system)  # type: ignore[arg-type]  # a literal
    for line in lines:
        console.print(line)
    return out.getvalue()


@pytest.mark.parametrize("name", STATES)
@given(width=st.integers(1, 260), height=st.integers(1, 90), plain=st.booleans())
def test_no_size_is_exceeded(name: str, width: int, height: int, plain: bool) -> None:
    glyphs = PLAIN if plain else BLOCKS
    lines = screen(Look(STATES[name]()), width, height, glyphs, keys=True)
    assert 0 < len(lines) <= height
    assert {line.cell_len for line in lines} == {width}


def test_what_matters_most_stands_on_a_small_terminal() -> None:
    look = Look(drifting_state())
    expect(look, "pipeline prod", "DRIFT", "score 1.42 over threshold 0.6", "since window 43", "Area is 1.21")
    expect(look, "in 1,203 records/s", "out 1,198 predictions/s", "backlog 12 records, the oldest 0.3 s")
    expect(look, "2 scorers working", "1 SILENT", "2 missing_feature", "order-7 missing_feature: Area is missing")
    expect(look, "! alarm", "R retrain asked", "P promoted", "15 min ago", "+1.21", "+1.10")
    expect(look, "training", "run 3f2a9c01bd7e", "log-loss 0.341 (0.290 to 0.400)", "16:03:44 UTC", "q quits")
    expect(look, "promotion The candidate's log-loss is better")


def test_a_larger_terminal_shows_more() -> None:
    look = Look(drifting_state())
    expect(
        look, "order-0", "refusal It is no better.", "streamgauge rollback --pipeline prod", width=120, height=40
    )
    expect(look, "host-3-abc", "ALARM", "mean_abs_z", "Eccentricity", "-0.40", width=200, height=60)
    expect(look, "0.9-1.0", "host-1-abc", "120 entries in its open window", width=200, height=60)


def test_an_empty_pipeline_says_what_comes_next() -> None:
    expect(Look(empty_state()), "WAITING: no model is in production; run streamgauge fit", "in ? records/s")
    expect(Look(empty_state()), "no predictions yet", "nothing is in production", "no window has closed yet")


def test_the_threshold_stands_on_the_scale_of_the_distribution() -> None:
    state = drifting_state()
    raw = replace(state.predictions, raw=True, raw_threshold=0.83)
    expect(Look(replace(state, predictions=raw)), "0.8-0.9^", "^ 0.83: from there on Besni", width=200, height=60)
    expect(Look(state), "0.5-0.6^", "^ 0.5: from there on Besni", width=200, height=60)


def test_a_monitor_without_anything_to_do_keeps_up() -> None:
    state = drifting_state()
    expect(Look(state), "monitor 3.0 s behind")
    expect(Look(replace(state, flow=replace(state.flow, monitor_behind_s=0.0))), "monitor keeps up")


def test_lost_contact_keeps_the_facts_and_says_how_old_they_are() -> None:
    look = Look(drifting_state(), lost="redis://h does not answer", age_s=12.0)
    expect(look, "LOST CONTACT: redis://h does not answer; what is shown is 12 s old; trying again")
    expect(look, "score 1.42 over threshold 0.6", "2 scorers working")


def test_lost_contact_before_the_first_look_is_all_there_is() -> None:
    assert "LOST CONTACT: gone; trying again" in drawn(Look(None, lost="gone"))


def test_a_server_that_is_slow_to_answer_is_told() -> None:
    expect(Look(drifting_state(), age_s=STALE_S + 1), "NO NEWS for 6.0 s")
    assert not any("NO NEWS" in line for line in drawn(Look(drifting_state(), age_s=STALE_S - 1)))


def test_a_problem_is_told_beside_the_facts() -> None:
    expect(Look(replace(drifting_state(), problem="the monitor is silent")), "PROBLEM: the monitor is silent")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
def test_hostile_text_stays_text(width: int, height: int) -> None:
    lines = screen(Look(hostile_state(), lost=hostile_state().problem), width, height, BLOCKS, keys=True)
    signs = "".join(line.plain for line in lines)
    assert not {sign for sign in signs if unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"}}
    assert "\\x1b[2J" in signs
    assert "[red]bold" in signs or "[re" in signs


def test_without_colours_nothing_is_lost() -> None:
    lines = screen(Look(drifting_state()), 120, 40, BLOCKS, keys=True)
    assert "\x1b" not in printed(lines, colours=False)
    assert "\x1b[" in printed(lines, colours=True)
    assert "DRIFT" in printed(lines, colours=False)
    assert "SILENT" in printed(lines, colours=False)


def test_a_terminal_without_blocks_gets_ascii() -> None:
    assert "".join(drawn(Look(drifting_state()), 120, 40, PLAIN)).isascii()


@pytest.mark.parametrize(("encoding", "term", "glyphs"), [("utf-8", "xterm", BLOCKS), ("utf-8", "linux", PLAIN)])
def test_signs_fit_the_terminal(encoding: str, term: str, glyphs: Glyphs) -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert glyphs_for(console, {"TERM": term}) is glyphs


def test_an_encoding_without_blocks_gets_ascii() -> None:
    assert glyphs_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="latin-1")), {"TERM": "xterm"}) is PLAIN


def test_wide_signs_take_their_columns() -> None:
    state = drifting_state()
    assert state.drift.window is not None
    window = replace(state.drift.window, z={"面積面積面積面積面積面積": 1.0}, blame=["面積"])
    lines = drawn(Look(replace(state, drift=replace(state.drift, window=window))))
    assert all(cell_len(line) <= 80 for line in lines)
    assert any("面積" in line for line in lines)


def test_in_the_row_of_the_threshold_stand_only_columns_above_it() -> None:
    state = drifting_state()
    history = state.drift.history
    for score, reaches in ((0.599, False), (0.601, True)):  # of a threshold of .6
        same = replace(history, score=[score] * len(history.score))
        lines = drawn(Look(replace(state, drift=replace(state.drift, history=same))))
        (row,) = [line for line in lines if line.startswith(" 0.60 ")]
        assert (BLOCKS.threshold in row) != reaches, (score, row)


def test_the_meaning_of_a_figure_is_whole_or_left_out() -> None:
    for width in (120, 160, 200):
        lines = drawn(Look(drifting_state()), width, 60)
        (figure,) = [line for line in lines if "0.290 to 0.400" in line]
        assert not figure.endswith(".."), (width, figure)


def test_a_window_fills_the_time_since_the_one_before() -> None:
    columns = columns_of(drifting_state().drift.history, 2 * WINDOWS)
    assert None not in columns[2:]
    exceeded = [number for number, point in enumerate(columns) if point is not None and point.exceeds]
    assert exceeded == list(range(exceeded[0], 2 * WINDOWS))
    assert exceeded[0] > 2 * DRIFTS_FROM


def test_the_worst_window_of_a_column_shows() -> None:
    (only,) = columns_of(drifting_state().drift.history, 1)
    assert only is not None
    assert only.score == pytest.approx(0.2 + 0.1 * (WINDOWS - 1 - DRIFTS_FROM))


def test_a_pause_is_left_empty() -> None:
    history = drifting_state().drift.history
    begin, end = history.from_ms, history.to_ms
    paused = replace(
        history,
        ts_ms=[begin + 10_000 * number for number in range(10)] + [end],
        score=[0.1] * 11,
        threshold=[0.6] * 11,
    )
    columns = columns_of(paused, 90)
    assert columns[-1] is not None
    assert columns[50] is None


def test_a_score_that_is_not_known_leaves_a_hole() -> None:
    state: LiveState = drifting_state()
    history = state.drift.history
    scores = [None if number == WINDOWS // 2 else score for number, score in enumerate(history.score)]
    columns = columns_of(replace(history, score=scores), WINDOWS)
    assert columns[WINDOWS // 2 + 1] is None
    assert None not in columns[1 : WINDOWS // 2] + columns[WINDOWS // 2 + 2 :]
