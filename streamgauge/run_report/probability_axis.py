"""The axis of probabilities: even, or even in log-odds where nearly all rows lie at one end of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.model import Floats, sigmoid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Where so many rows lie within so much of one end, as they do of a rare class, an even axis has them in one bar.
_CROWDED_SHARE, _CROWDED_WIDTH = 0.9, 0.05
#: An axis in log-odds goes no nearer to 0 and 1; what lies beyond is drawn there.
_LEAST = 1e-5
_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
#: With more of them than this every second is left out, so that their numbers do not touch.
_MOST_TICKS = 6
#: Odds between the outermost row and the end of such an axis.
_ROOM = 1.5


@dataclass(frozen=True)
class ProbabilityAxis:
    """Probabilities from ``low`` to ``high``."""

    low: float
    high: float
    by_log_odds: bool

    @classmethod
    def of(cls, probability: Floats, threshold: float) -> ProbabilityAxis:
        """One on which the probabilities (n,) and the threshold can be told apart; n is at least one."""
        low, high = np.quantile(probability, [1 - _CROWDED_SHARE, _CROWDED_SHARE]).tolist()
        if high < _CROWDED_WIDTH or low > 1 - _CROWDED_WIDTH:
            ends = np.clip([probability.min(), probability.max(), threshold], _LEAST, 1 - _LEAST)
            return cls(float(ends.min()) / _ROOM, 1 - (1 - float(ends.max())) / _ROOM, by_log_odds=True)
        return cls(0.0, 1.0, by_log_odds=False)

    def grid(self, count: int) -> Floats:
        """(count,) probabilities from end to end that lie evenly on the axis."""
        if not self.by_log_odds:
            return np.linspace(self.low, self.high, count)
        first, last = (float(np.log(end / (1 - end))) for end in (self.low, self.high))
        return self.within(sigmoid(np.linspace(first, last, count)))

    def within(self, probability: Floats) -> Floats:
        """(n,) the places of probabilities (n,)."""
        return np.clip(probability, self.low, self.high)

    def draw(self, axes: Axes, label: str) -> None:
        """Make it the horizontal one of ``axes``."""
        if not self.by_log_odds:
            margin = 0.02
            axes.set_xlim(self.low - margin, self.high + margin)
            axes.set_xlabel(label)
            return
        axes.set_xscale("logit")
        axes.set_xlim(self.low, self.high)
        ticks = [tick for tick in _TICKS if self.low <= tick <= self.high]
        ticks = ticks[::2] if len(ticks) > _MOST_TICKS else ticks
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(f"{label}, even in log-odds")
