"""A picture of a judged file: every detector against its threshold, and below, which features moved when."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import SettingsError, UsageError
from core.model import Floats
from monitor.detectors import concept, headline
from streamgauge.drift.file_window import READERS
from streamgauge.drift.history import History
from streamgauge.terminal_text import counted, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Kinds of picture, by the file's ending.
ENDINGS = (".png", ".svg")
#: Features shown, those that moved most first.
MOST_FEATURES = 30
#: The colours of the map end at this many training SD at least: what is noise in a window of 500 stays pale.
LEAST_RANGE = 0.25
_WIDTH_IN, _COURSE_IN, _FEATURE_IN, _REST_IN = 11.0, 3.4, 0.24, 1.6
_DOTS_PER_INCH = 120
_TITLE_LENGTH = 120
#: A statistic below this share of its threshold is drawn as this.
_LEAST_RATIO = 0.1
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1_000, 10_000, 100_000, 1_000_000)
#: With more columns than this lines are thinner.
_MANY_COLUMNS = 100
#: Up to so many alarms are marked by a line through the picture too.
_MOST_RULES = 16
#: Colours in the order of READERS, told apart with any colour vision (Okabe and Ito 2008; the last two: Tol 2021).
_COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933", "#332288")
#: The detector of the labels is drawn by another scale than the others, see ``file_window.ratio``.
_LABELS = {concept.NAME: f"{concept.NAME} (labels; by logarithms)"}


def checked_picture(path: Path) -> None:
    """Raise SettingsError for a file that is no picture, UsageError where no picture can be drawn or put."""
    if path.suffix.lower() not in ENDINGS:
        raise SettingsError(f"--report {path} is no picture; give a file that ends in {' or '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"--report: there is no directory {path.absolute().parent}; make it first")
    try:
        import matplotlib  # noqa: F401, PLC0415  (only to see whether it is there; half a second otherwise)
    except ImportError as error:
        raise UsageError(
            "--report needs matplotlib; install the extra that brings it: pip install '.[report]' in the checkout"
        ) from error


def draw(path: Path, history: History, title: str) -> None:
    """Write the picture; equal histories give equal files.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    import matplotlib as mpl  # noqa: PLC0415  (an extra, which takes half a second to load)
    from matplotlib.figure import Figure  # noqa: PLC0415  (as above)

    rows = min(MOST_FEATURES, len(history.features))
    figure = Figure((_WIDTH_IN, _COURSE_IN + _REST_IN + _FEATURE_IN * max(4, rows)), layout="constrained")
    heights = [_COURSE_IN, 0.4 + _FEATURE_IN * max(4, rows)]
    course, blame = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    figure.suptitle(_title(history, title), fontsize=11, parse_math=False)
    if history.windows and len(history.edges) > 1:
        _draw_course(course, history)
        _draw_blame(figure, blame, history, rows)
        handles, labels = course.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    # ids within an SVG are random otherwise, and both formats name a date or a version
    with mpl.rc_context({"svg.hashsalt": "streamgauge"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a name that the font cannot write
        unnamed = {"Date": None, "Creator": None} if path.suffix.lower() == ".svg" else {"Software": None}
        try:
            figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=unnamed)
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}); choose another --report") from error


def _title(history: History, title: str) -> str:
    verdict = counted(history.alarms, "alarm") if history.alarms else "no alarm"
    return f"{printable(title, _TITLE_LENGTH)}\n{verdict} in {counted(history.records, 'record')}"


def _draw_course(axes: Axes, history: History) -> None:
    """Every detector in units of its threshold; some, and those that reached theirs, in their colours.

    The others are the headline and, where the file has labels, theirs.
    """
    edges, ratios = history.edges, np.maximum(history.ratios, _LEAST_RATIO)
    shown = READERS if history.labels is not None else READERS[: READERS.index(concept.NAME)]
    always = (headline.NAME, concept.NAME)
    named = [name in always or bool((ratios[place] >= 1.0).any()) for place, name in enumerate(shown)]
    for number, place in enumerate(np.flatnonzero(~np.array(named))):
        label = "other detectors" if not number else None
        axes.stairs(ratios[place], edges, baseline=None, color="0.75", linewidth=0.8, label=label)
    width = 1.5 if len(edges) <= _MANY_COLUMNS else 1.0
    for place in np.flatnonzero(named):
        label = _LABELS.get(shown[place], shown[place])
        axes.stairs(ratios[place], edges, baseline=None, color=_COLOURS[place], linewidth=width, label=label)
    axes.axhline(1.0, color="#c00000", linestyle="--", linewidth=1.0, label="threshold")
    _draw_marks(axes, history)
    highest = max(2.0, 1.4 * float(ratios.max()))
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_RATIO, highest)
    ticks = [tick for tick in _TICKS if tick <= highest]
    axes.set_yticks(ticks, [f"{tick:,g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("statistic / threshold")


def _draw_marks(axes: Axes, history: History) -> None:
    """A triangle over the line of each alarm, in the colour of its detector."""
    over = axes.get_xaxis_transform()
    for place, name in enumerate(READERS):
        lines = [mark.line for mark in history.marks if mark.detector == name]
        if lines:
            label = f"{counted(len(lines), 'alarm')} of {name}"
            axes.plot(
                lines,
                [1.03] * len(lines),
                "v",
                markersize=6,
                color=_COLOURS[place],
                transform=over,
                clip_on=False,
                label=label,
            )  # fmt: skip  (its options in one line)
    if len(history.marks) <= _MOST_RULES:
        for mark in history.marks:
            axes.axvline(mark.line, color="0.5", linestyle=":", linewidth=0.8, zorder=0)


def _draw_blame(figure: Figure, axes: Axes, history: History, rows: int) -> None:
    """The mean shift of each feature in each window."""
    z = history.z
    peaks = np.abs(z).max(axis=1)
    order = np.argsort(-peaks, kind="stable")[:rows]
    reach = max(LEAST_RANGE, _nice(float(np.quantile(np.abs(z[order]), 0.99))))
    mesh = axes.pcolormesh(
        history.edges, np.arange(rows + 1), z[order], cmap="RdBu_r", vmin=-reach, vmax=reach, rasterized=True
    )
    axes.invert_yaxis()
    names = [printable(history.features[place], 24) for place in order]
    axes.set_yticks(np.arange(rows) + 0.5, names, fontsize=8, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("line of the file")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    left_out = len(history.features) - rows
    if left_out:
        axes.set_title(f"the {rows} features that moved most, of {len(history.features):,}", fontsize=9)
    figure.colorbar(mesh, ax=axes, label="mean shift, training SD", extend=_extend(z[order], reach), pad=0.01)


def _extend(z: Floats, reach: float) -> str:
    above, below = bool((z > reach).any()), bool((z < -reach).any())
    return {(True, True): "both", (True, False): "max", (False, True): "min"}.get((above, below), "neither")


def _nice(value: float) -> float:
    """The next round number.

    >>> _nice(0.0), _nice(0.31), _nice(1.02)
    (0.0, 0.5, 1.5)
    """
    if value <= 0.0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0) if step * power >= value)
