"""How the pictures of a report look, and how one becomes text within a page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.model import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import RcKeyType

#: Told apart with any colour vision (Okabe and Ito 2008): the model, what is beside it, a choice, class 1.
MODEL, BESIDE, CHOICE, GUIDE = "#0072b2", "#d55e00", "#009e73", "#8a8f98"
#: Points of a curve that are drawn. Of a curve from corner to corner two neighbours are a pixel apart.
MOST_POINTS = 400
_INK = "#1f2933"
_STYLE: dict[RcKeyType, object] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and is of the page's own font
    "svg.hashsalt": "streamgauge",  # ids within an SVG are random otherwise
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": "#c5cbd3",
    "axes.labelcolor": _INK,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8ebef",
    "grid.linewidth": 0.8,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,  # where it must lie on a line, it is read and the line is still seen
    "legend.fontsize": 8.5,
}


def svg(draw: Callable[[Axes], None], width_in: float, height_in: float) -> str:
    """An ``<svg>`` element with one pair of axes on which ``draw`` has drawn; equal drawings give equal text."""
    import matplotlib as mpl  # noqa: PLC0415  (an extra, which takes half a second to load)
    from matplotlib.figure import Figure  # noqa: PLC0415  (as above)

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a name that the font cannot write
        figure = Figure((width_in, height_in), layout="constrained")
        draw(figure.subplots())
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _element(drawn.getvalue())


def thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Places of at most ``MOST_POINTS`` points of a curve (n,), the first and the last among them.

    They lie evenly along its length, and not by number: of 200,000 rows 1,000 of class 1 may be the first of a
    ranking, and every 500th point would leave out all that a precision-recall curve has to tell. From one to the
    next the curve goes no further than a 400th of its length, but where it does so in one step.

    >>> x = np.arange(10_000.0)
    >>> thinned(x[:3], x[:3]).tolist(), len(thinned(x, x)), int(thinned(x, x)[-1])
    ([0, 1, 2], 400, 9999)
    """
    if len(x) <= MOST_POINTS:
        return np.arange(len(x))
    steps = sum(np.abs(np.diff(values)) / (np.ptp(values) or 1.0) for values in (x, y))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    places = np.searchsorted(length, np.linspace(0, length[-1], MOST_POINTS))
    places[-1] = len(x) - 1
    return np.unique(places)


def say_instead(axes: Axes, words: str) -> None:
    """Words in place of a drawing that the rows do not give."""
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color=GUIDE)
    axes.set_axis_off()


def _element(document: str) -> str:
    """The ``<svg>`` element alone; its size gives way to the page's."""
    found = document[document.index("<svg") :].strip()
    opening, rest = found.split(">", 1)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    return f"{opening}>{rest}"
