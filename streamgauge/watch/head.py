"""The first lines: which pipeline, whether there is contact, and whether it drifts."""

from __future__ import annotations

from rich.text import Text

from monitor.live.drift_view import WindowView
from monitor.live.state import LiveState
from streamgauge.watch.glyphs import Glyphs
from streamgauge.watch.look import Look
from streamgauge.watch.text import (
    ALARM,
    CALM,
    QUIET,
    STRONG,
    WARN,
    amount,
    clock,
    duration,
    fitted,
    plain,
    styled,
    wrapped,
)

#: Lines that a sentence about a problem may take.
PROBLEM_LINES = 3
#: Lines of what is to blame.
BLAME_LINES = 3


def head_lines(look: Look, width: int, glyphs: Glyphs, *, keys: bool) -> list[Text]:
    """Name, verdict, problems; ``keys``: q ends the screen."""
    state = look.state
    lines = [_name(look, width, glyphs, keys=keys)]
    if look.lost is not None:
        age = "" if state is None else f"; what is shown is {duration(look.age_s)} old"
        lines += wrapped(f"LOST CONTACT: {look.lost}{age}; trying again", width, PROBLEM_LINES, ALARM)
    elif look.stale:
        lines += wrapped(f"NO NEWS for {duration(look.age_s)}: Redis is slow to answer", width, 1, WARN)
    if state is None:
        return lines if look.lost is not None else [*lines, styled("looking ...", QUIET)]
    if state.problem is not None:
        lines += wrapped(f"PROBLEM: {state.problem}", width, PROBLEM_LINES, WARN)
    if state.waiting is not None:
        lines += wrapped(f"WAITING: {state.waiting}", width, PROBLEM_LINES, WARN)
    return lines + _drift(state, width)


def _name(look: Look, width: int, glyphs: Glyphs, *, keys: bool) -> Text:
    state = look.state
    line = styled("streamgauge", STRONG)
    right = "q quits" if keys else "Ctrl-C quits"
    if state is not None:
        line.append(f" {glyphs.gap} pipeline ", style=QUIET).append_text(plain(state.pipeline, STRONG))
        right = f"{clock(state.now_ms)} UTC {glyphs.gap} {right}"
    room = width - len(right) - 1
    if room < len("streamgauge"):
        return fitted(line, width)
    return fitted(line, room).append(" ").append(right, style=QUIET)


def _drift(state: LiveState, width: int) -> list[Text]:
    drift = state.drift
    if drift.window is None:
        return wrapped(drift.words or "no window has closed yet", width, BLAME_LINES, QUIET)
    badge, style, said = verdict(drift.window)
    line = styled(f" {badge} ", f"{style} reverse")
    line.append(f" {said}", style=STRONG)
    return [line, *wrapped(drift.words, width, BLAME_LINES)]


def verdict(window: WindowView) -> tuple[str, str, str]:
    """A window's state as a word, the style of that word, and its figures."""
    badges = {
        "ok": ("NO DRIFT", CALM),
        "drift": ("DRIFT", ALARM),
        "recovering": ("RECOVERING", WARN),
        "insufficient": ("TOO FEW RECORDS", WARN),
    }
    badge, style = badges[window.state]
    over = "over" if window.score > window.threshold else "under"
    said = f"window {window.window}: score {window.score:.3g} {over} threshold {window.threshold:.3g}"
    if window.episode is not None:
        said += f", since window {window.episode}"
    return badge, style, f"{said}, {amount(window.n)} records"
