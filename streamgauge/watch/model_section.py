"""The model in production: its figures, and how it came there."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from monitor.live.model_view import Decision, Figure, ModelView
from streamgauge.terminal_text import printable
from streamgauge.watch.glyphs import Glyphs
from streamgauge.watch.text import (
    CALM,
    DATA,
    QUIET,
    STRONG,
    WARN,
    Section,
    clock,
    duration,
    flowed,
    padded,
    plain,
    styled,
    title,
    wrapped,
)

#: Columns of a figure's name in the list of figures.
NAME = 28
#: Lines that a decision's sentence may take where there is room.
SENTENCE = 3
#: Rows from which there is room for more than a line of facts, a line of figures and the newest decision.
ROOMY = 6
#: Lines that facts, and figures that share lines, take then.
FACT_LINES = 2
#: Decisions that must have room beside a list of figures.
LISTED_WITH = 2
_STYLES = {"promotion": CALM, "refusal": WARN, "rollback": WARN, "other": QUIET}


def model_section(model: ModelView | None, glyphs: Glyphs, now_ms: int) -> Section:
    """Run, figures with intervals, last decisions, how to go back."""

    def draw(width: int, rows: int) -> list[Text]:
        if model is None:
            return [title("Model", width, glyphs), styled("nothing is in production", WARN)][:rows]
        lines = [title("Model in production", width, glyphs, model.figures_of)]
        facts = flowed(_run(model, now_ms), width, glyphs.gap, indent=2)
        back = [] if model.rollback is None or rows < ROOMY else [_rollback(model.rollback)]
        decided = min(len(model.history), LISTED_WITH)
        if rows >= 1 + len(facts) + len(model.figures) + decided + len(back):
            lines += facts + _figure_lines(model.figures, width)
        else:
            shared = flowed([_figure(figure) for figure in model.figures], width, glyphs.gap, indent=2)
            each = FACT_LINES if rows >= ROOMY else 1
            lines += facts[:each] + (shared[:each] if model.figures else [])
        lines += _decisions(model.history, width, rows - len(lines) - len(back))
        return (lines + back)[:rows]

    if model is None:
        return Section(2, 2, 2, draw)
    most = 2 + len(model.figures) + SENTENCE * len(model.history) + 1
    return Section(4, 5, max(most, 5), draw)


def _run(model: ModelView, now_ms: int) -> list[Text]:
    parts = [
        Text("run ").append_text(plain(model.run_id, STRONG)),
        Text(f"epoch {model.epoch}"),
        Text(f"for {duration((now_ms - model.since_ms) / 1000)}"),
        styled("its bytes cannot be read", WARN)
        if model.threshold is None
        else Text(f"threshold {model.threshold:.3g}"),
    ]
    if model.calibration is not None:
        parts.append(plain(f"{model.calibration} calibration"))
    if model.features:
        parts.append(Text(f"{model.features:,} features"))
    if model.train_rows:
        parts.append(Text(f"{model.train_rows:,} rows"))
    return parts


def _figure(figure: Figure) -> Text:
    line = plain(figure.name + " ", QUIET)
    line.append(f"{figure.value:.3f}", style=DATA)
    if figure.low is not None and figure.high is not None:
        line.append(f" ({figure.low:.3f} to {figure.high:.3f})", style=QUIET)
    return line


def _figure_lines(figures: Sequence[Figure], width: int) -> list[Text]:
    most = min(NAME, max((cell_len(printable(figure.name)) for figure in figures), default=0))
    return [_figure_line(figure, most, width) for figure in figures]


def _figure_line(figure: Figure, name_width: int, width: int) -> Text:
    """Name, value, interval, and what it means where the whole of that has room."""
    line = Text(f"  {padded(figure.name, name_width)} ", no_wrap=True)
    line.append(f"{figure.value:.3f}", style=DATA)
    if figure.low is not None and figure.high is not None:
        line.append(f"  {figure.low:.3f} to {figure.high:.3f}", style=QUIET)
    words = plain(figure.words, QUIET)
    return line.append("  ").append_text(words) if line.cell_len + 2 + words.cell_len <= width else line


def _decisions(history: Sequence[Decision], width: int, rows: int) -> list[Text]:
    """The newest first: a line each, and whole sentences as far as the rows last."""
    shown = history[: max(rows, 0)]
    spare = rows - len(shown)
    lines: list[Text] = []
    for decision in shown:
        made = _decision(decision, width, 1 + min(max(spare, 0), SENTENCE - 1))
        spare -= len(made) - 1
        lines += made
    return lines


def _decision(decision: Decision, width: int, most: int) -> list[Text]:
    time = clock(decision.ts_ms)
    begin = f"{time} " if decision.kind == "other" else f"{time} {decision.kind} "
    lines = wrapped(f"{begin}{decision.sentence or decision.reason}", width, most, indent=2)
    if lines:
        lines[0].stylize(QUIET, 0, len(time))
        lines[0].stylize(_STYLES[decision.kind], len(time) + 1, len(begin))
    return lines


def _rollback(command: str) -> Text:
    return styled("to go back: ", QUIET).append_text(plain(command, STRONG))
