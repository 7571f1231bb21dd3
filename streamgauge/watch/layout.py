"""Which sections stand where, and how many rows each gets: the most important first, more where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from monitor.live.state import LiveState
from streamgauge.watch.drift_section import chart_section, detector_section, mark_section, shift_section
from streamgauge.watch.flow_section import flow_section
from streamgauge.watch.glyphs import Glyphs
from streamgauge.watch.head import head_lines
from streamgauge.watch.look import Look
from streamgauge.watch.model_section import model_section
from streamgauge.watch.prediction_section import distribution_section, newest_section
from streamgauge.watch.text import Section, beside, fitted

#: Widths from which shifts and probabilities stand beside each other, and the whole screen in two columns.
PAIR_FROM, TWO_FROM = 76, 116
#: Heights from which the newest predictions have room, and from which there are two columns.
NEWEST_FROM, TWO_ROWS_FROM = 28, 20
#: The first lines take at most this part of the screen.
HEAD_SHARE = 4
#: Rows that the columns keep before the newest predictions stand below them.
COLUMN_ROWS = 26
#: One in so many lines is then one of them.
NEWEST_SHARE = 10
#: Blanks between two columns.
GUTTER = 3


def screen(look: Look, width: int, height: int, glyphs: Glyphs, *, keys: bool) -> list[Text]:
    """At most ``height`` lines of at most ``width`` columns."""
    head = head_lines(look, width, glyphs, keys=keys)[: max(height // HEAD_SHARE, 2)]
    state = look.state
    if state is not None:
        columns = _two_columns if width >= TWO_FROM and height >= TWO_ROWS_FROM else _one_column
        head = columns(head, state, width, height, glyphs)
    return [fitted(line, width) for line in head[:height]]


def share_rows(sections: Sequence[Section], height: int) -> list[int]:
    """Rows of each section: the least to each in turn while there is room, then what they wish, then the most.

    >>> nothing = lambda width, rows: []
    >>> share_rows([Section(2, 3, 9, nothing), Section(2, 4, 4, nothing)], 8)
    [4, 4]
    """
    rows = [0] * len(sections)
    left = height
    for step in ("least", "wish", "most"):
        for number, section in enumerate(sections):
            wanted = getattr(section, step) - rows[number]
            if not rows[number] and section.least > left:
                continue
            more = max(min(wanted, left), 0)
            rows[number] += more
            left -= more
    return rows


def _one_column(head: list[Text], state: LiveState, width: int, height: int, glyphs: Glyphs) -> list[Text]:
    chart = chart_section(state.drift, glyphs, state.now_ms)
    flow = flow_section(state.flow, glyphs)
    shift = shift_section(state.drift, glyphs)
    spread = distribution_section(state.predictions, glyphs)
    model = model_section(state.model, glyphs, state.now_ms)
    newest = [newest_section(state.predictions, glyphs)] if height >= NEWEST_FROM else []
    if width >= PAIR_FROM:
        pair = _pair(shift, spread)
        order, shown = [flow, chart, model, pair, *newest], [flow, chart, pair, *newest, model]
    else:
        order = [flow, chart, shift, model, spread, *newest]
        shown = [flow, chart, shift, spread, *newest, model]
    return head + _stacked(shown, order, width, height - len(head))


def _two_columns(head: list[Text], state: LiveState, width: int, height: int, glyphs: Glyphs) -> list[Text]:
    left_width = (width - GUTTER) // 2
    right_width = width - GUTTER - left_width
    newest = newest_section(state.predictions, glyphs)
    below = 2 + height // NEWEST_SHARE if height - len(head) - COLUMN_ROWS >= newest.wish > 0 else 0
    room = height - len(head) - 1 - below
    chart = chart_section(state.drift, glyphs, state.now_ms, tall=True)
    shift = shift_section(state.drift, glyphs)
    left = [detector_section(state.drift.readings, glyphs)] if state.drift.readings else []
    left += [mark_section(state.drift, glyphs)] if state.drift.marks else []
    right = [
        flow_section(state.flow, glyphs),
        model_section(state.model, glyphs, state.now_ms),
        distribution_section(state.predictions, glyphs),
    ]
    columns = beside(
        _stacked([chart, shift, *left], [shift, chart, *left], left_width, room, spaced=True),
        _stacked([right[0], right[2], right[1]], right, right_width, room, spaced=True),
        left_width,
        width,
        gap=GUTTER,
    )
    lines = [*head, Text(""), *columns]
    return [*lines, Text(""), *newest.draw(width, height - len(lines) - 1)] if below else lines


def _pair(left: Section, right: Section) -> Section:
    """Two sections beside each other."""

    def draw(width: int, rows: int) -> list[Text]:
        left_width = (width - 2) // 2
        return beside(left.draw(left_width, rows), right.draw(width - left_width - 2, rows), left_width, width)

    return Section(
        max(left.least, right.least), max(left.wish, right.wish), max(left.most, min(right.most, 10)), draw
    )


def _stacked(
    shown: Sequence[Section], order: Sequence[Section], width: int, height: int, *, spaced: bool = False
) -> list[Text]:
    """Sections one below the other; ``order`` says who gets rows first.

    ``spaced``: blank lines between them, if they cost nothing.
    """
    rows = dict(zip(map(id, order), share_rows(order, height), strict=True))
    drawn = [section.draw(width, rows[id(section)]) for section in shown if rows[id(section)]]
    blanks = len(drawn) - 1 if spaced and sum(map(len, drawn)) + len(drawn) - 1 <= height else 0
    lines: list[Text] = []
    for number, part in enumerate(drawn):
        if number and blanks:
            lines.append(Text(""))
        lines += part
    return lines
