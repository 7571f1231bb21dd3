"""What the model says: probabilities now and in training, and the newest predictions with their sums."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from monitor.live.prediction_view import PredictionsView, PredictionView
from streamgauge.terminal_text import printable, shortened
from streamgauge.watch.glyphs import Glyphs, bar, column_cell
from streamgauge.watch.text import DATA, QUIET, STRONG, WARN, Section, amount, padded, plain, styled, title

#: Rows from which each bin has a line of its own.
LISTED = 12
#: Columns in front of the histograms: the longer of their names and a blank.
LABEL = 9
#: Widest column of a histogram, of an id, of a class.
MOST_BIN, MOST_ID, MOST_CLASS = 6, 26, 10


def distribution_section(view: PredictionsView, glyphs: Glyphs) -> Section:
    """How probabilities are distributed now, and how they were in training."""

    def draw(width: int, rows: int) -> list[Text]:
        sampled = f"{amount(view.sampled)} records" if view.sampled else ""
        raw = " before calibration" if view.raw else ""
        heading = title(f"Predicted probability{raw}", width, glyphs, sampled)
        if not view.now:
            return [heading, styled("no predictions yet", QUIET)][:rows]
        body = _listed(view, width, glyphs) if rows > LISTED else _columns(view, width, rows - 1, glyphs)
        return [heading, *body][:rows]

    if not view.now:
        return Section(2, 2, 2, draw)
    return Section(4, 6, 13, draw)


def newest_section(view: PredictionsView, glyphs: Glyphs) -> Section:
    """A line a prediction: class, probability, and the sum from bias to logit."""

    def draw(width: int, rows: int) -> list[Text]:
        shown = view.newest[: rows - 1]
        id_width = min(MOST_ID, max((cell_len(printable(one.id)) for one in shown), default=1), width // 3)
        heading = title("Newest predictions", width, glyphs, "logit = bias + what each feature adds")
        return [heading, *(_prediction(one, view.classes, id_width, width) for one in shown)][:rows]

    count = len(view.newest)
    return Section(2, 1 + min(count, 3), 1 + count, draw) if count else Section(0, 0, 0, draw)


def _columns(view: PredictionsView, width: int, rows: int, glyphs: Glyphs) -> list[Text]:
    """Two histograms, one above the other, over one axis."""
    known = [("now", view.now, DATA)] + ([] if view.training is None else [("training", view.training, QUIET)])
    cell = min(MOST_BIN, max((width - LABEL) // len(view.now), 1))
    height = max((rows - 1) // len(known), 1)
    top = max(max(shares) for _, shares, _ in known) or 1.0
    lines = []
    for name, shares, style in known:
        for row in reversed(range(height)):
            line = styled(f"{name if row == height - 1 else '':{LABEL}}", QUIET)
            for share in shares:
                sign = column_cell(share / top * height, row, glyphs)
                line.append(sign * max(cell - 1, 1) + " " * (cell > 1), style=style)
            lines.append(line)
    lines.append(_axis(view, cell, width))
    return lines


def _axis(view: PredictionsView, cell: int, room: int) -> Text:
    """0, 1 and the threshold under their places, and what the threshold means where there is room."""
    width, threshold = cell * len(view.now), _threshold(view)
    signs = list(" " * width)
    signs[0], signs[-1] = "0", "1"
    place = min(max(int(threshold * width), 0), width - 1)
    line = styled(" " * LABEL + "".join(signs[:place]), QUIET)
    line.append("^", style=WARN).append("".join(signs[place + 1 :]), style=QUIET)
    meaning = f"  ^ {threshold:.2g}: from there on {shortened(view.classes[1], MOST_ID)}"
    return line.append(meaning if line.cell_len + cell_len(meaning) <= room else "", style=QUIET)


def _threshold(view: PredictionsView) -> float:
    """The threshold on the scale of the distribution, which may be of probabilities before calibration."""
    return view.raw_threshold if view.raw and view.raw_threshold is not None else view.threshold


def _listed(view: PredictionsView, width: int, glyphs: Glyphs) -> list[Text]:
    """A line a bin, now and in training."""
    training, threshold = view.training, _threshold(view)
    top = max([*view.now, *(training or [])]) or 1.0
    room = max((width - 9 - 6 - 6 - 2) // (1 if training is None else 2), 5)
    lines = [styled(f"{'p':9}{'now':{room + 7}}{'' if training is None else 'training'}", QUIET)]
    for number, share in enumerate(view.now):
        low, high = view.edges[number], view.edges[number + 1]
        inside = low <= threshold < high or (number == len(view.now) - 1 and threshold >= low)
        line = styled(f"{low:.1f}-{high:.1f}{'^' if inside else ' '} ", QUIET)
        line.append(bar(share / top, room, glyphs), style=DATA).append(f"{share:5.0%}  ")
        if training is not None:
            line.append(bar(training[number] / top, room, glyphs), style=QUIET)
            line.append(f"{training[number]:5.0%}", style=QUIET)
        lines.append(line)
    name = shortened(view.classes[1], MOST_ID)
    lines.append(styled(f"^ {threshold:.3g}: from there on {name}", QUIET))
    return lines


def _prediction(one: PredictionView, classes: Sequence[str], id_width: int, width: int) -> Text:
    name = classes[one.pred] if one.pred in (0, 1) else str(one.pred)
    name_width = min(MOST_CLASS, max(cell_len(printable(text)) for text in classes))
    line = Text(f"{padded(one.id, id_width)} ", no_wrap=True)
    line.append(padded(name, name_width), style=STRONG)
    line.append(f" {one.p_class1:.3f}", style=DATA)
    end = f" = {one.logit:+.2f}"
    line.append(f"  {one.bias:+.2f}", style=QUIET)
    rest, left = one.rest, one.rest_features
    for number, part in enumerate(one.contributions):
        text = f" {shortened(part.feature, 16)} {part.value:+.2f}"
        more = bool(left) or number + 1 < len(one.contributions)
        if line.cell_len + cell_len(text) + len(end) + more * len(" others +00.00") > width:
            rest += sum(other.value for other in one.contributions[number:])
            left += len(one.contributions) - number
            break
        line.append_text(plain(text))
    if left:
        line.append(f" others {rest:+.2f}", style=QUIET)
    return line.append(end, style=STRONG)
