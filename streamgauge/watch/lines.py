"""A look as one line: for people whose output is no terminal, and for scripts."""

from __future__ import annotations

import msgspec

from monitor.live.state import LiveState
from streamgauge.terminal_text import json_line, printable, shortened
from streamgauge.watch.look import Look
from streamgauge.watch.text import MOST, amount, clock, duration

#: Features that a line blames, and columns of each.
BLAMED, NAME = 3, 24


class Lost(msgspec.Struct, frozen=True):
    """What ``--json`` prints for a look that failed."""

    lost: str
    age_s: float  #: of the newest state that was printed before, or since the start


def state_line(look: Look) -> str:
    """The state as JSON, or why there is none."""
    told: LiveState | Lost
    told = look.state if look.lost is None and look.state is not None else Lost(look.lost or "", look.age_s)
    return json_line(told)


def text_line(look: Look) -> str:
    """The most important facts."""
    state = look.state
    if look.lost is not None:
        age = "" if state is None else f"; the last facts are {duration(look.age_s)} old"
        return f"LOST CONTACT: {printable(look.lost, MOST)}{age}"
    if state is None:
        return "looking ..."
    flow, window = state.flow, state.drift.window
    parts = [
        f"{clock(state.now_ms)} UTC in {amount(flow.records_per_s)}/s",
        f"out {amount(flow.predictions_per_s)}/s",
        f"rejected {amount(flow.rejections_per_s)}/s",
        f"backlog {amount(flow.backlog_records)} {duration(flow.backlog_age_s)}",
        f"scorers {sum(one.service == 'scorer' and one.state == 'working' for one in flow.workers)}",
    ]
    if window is not None:
        blame = ",".join(shortened(name, NAME) for name in window.blame[:BLAMED])
        parts.append(
            f"window {window.window} {window.state} score {window.score:.3f} of {window.threshold:.3f}"
            + (f" {blame}" if window.state == "drift" else "")
        )
    parts.append("no model" if state.model is None else f"model {printable(state.model.run_id)}")
    parts += [printable(said, MOST) for said in (state.problem, state.waiting) if said is not None]
    return "; ".join(parts)
