"""Thresholds for one budget over all record-by-record statistics, with a guarantee for an estimated reference.

The training rows are themselves a draw. Pseudo-references, drawn from them as they were drawn from the world, show
how much the alarm rate differs from one draw to another; the thresholds are such that 95 % of references keep the
budget (after Gandy and Kvaloy 2013, *Scand. J. Statist.* 40:647-661, who guarantee the conditional run length by a
bootstrap).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.drift.maxima import BLOCK_RECORDS
from core.drift.reference_rows import ReferenceRows
from core.drift.statistics import SCALES
from core.drift.thresholds import Thresholds
from core.drift.transform import Transform
from core.drift.world import world_of
from core.model import Floats

#: B: draws of the training rows that stand for other training sets.
PSEUDO_REFERENCES = 30
#: Blocks of a stream for each of them, where the features are few ...
BLOCKS = 320
#: ... and at most so many block-features in all, so that 50 features take seconds.
_WORK = 30 * 320 * 20
_LEAST_BLOCKS = 40
#: Run lengths at which the level is found; the budget is reached along the line through both.
ANCHORS = (2_500.0, 10_000.0)
#: The same where the truth is known. Nothing differs between references then, so that all of the simulation, and
#: twice as much, goes into longer run lengths, and less of the way to the budget is extrapolated.
KNOWN_TRUTH_ANCHORS = (5_000.0, 20_000.0)
_KNOWN_TRUTH_BLOCKS = 2 * PSEUDO_REFERENCES
#: How the false alarms are shared out: a weight for each scale, then features, adjusted, probability, radius.
WEIGHTS = np.array([1.0] * len(SCALES) + [1.0, 2.0, 0.5, 0.5])
#: Standard normal quantile of the share of references that keep the budget: 95 %.
GUARANTEE = 1.645
_STEPS = 40


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a calibration found."""

    transform: Transform
    radius: Floats  #: (1, n) of the training rows, each as if it had been held out
    thresholds: Thresholds
    run_lengths: Floats  #: (B,) run length of each pseudo-reference at the thresholds of a budget of ANCHORS[1]


def calibrate(
    reference: ReferenceRows,
    seed: int,
    *,
    known_truth: bool = False,
    rows: int | None = None,
    blocks: int | None = None,
) -> Calibration:
    """Fit the transform and find the thresholds; deterministic for equal rows and seed.

    Parameters
    ----------
    known_truth
        Take the rows for the whole truth: the budget holds then on streams drawn from the rows themselves.
    rows
        Size of a pseudo-reference, N where it is None: with another, what a larger or smaller training set of the
        same kind would give.
    blocks
        Blocks of a stream for each pseudo-reference, :data:`BLOCKS` where it is None; fewer are quicker and leave
        the thresholds less certain.
    """
    transform, radius = reference.fit()
    world = world_of(reference, transform, np.random.default_rng(seed))
    width = len(reference.index)
    blocks = min(blocks or BLOCKS, max(_LEAST_BLOCKS, _WORK // (PSEUDO_REFERENCES * width)))
    if known_truth:
        maxima = world.known(transform, _KNOWN_TRUTH_BLOCKS * blocks)[None]
    else:
        maxima = world.estimated(PSEUDO_REFERENCES, rows or len(reference.x), blocks)
    lower, upper = KNOWN_TRUTH_ANCHORS if known_truth else ANCHORS
    levels = [_thresholds_at(maxima, anchor) for anchor in (lower, upper)]
    slope = (levels[1] - levels[0]) / math.log(upper / lower)
    thresholds = Thresholds(levels[0] - slope * math.log(lower), slope)
    return Calibration(transform, radius, thresholds, _run_lengths(maxima, thresholds.at(ANCHORS[1])))


def _thresholds_at(maxima: Floats, run_length: float) -> Floats:
    """(channels,) thresholds at one level for all, such that the guaranteed run length is ``run_length``."""
    pooled = np.sort(maxima.reshape(-1, maxima.shape[2]), axis=0)
    low, high = 1e-7, 0.4
    for _ in range(_STEPS):
        level = math.sqrt(low * high)
        if _guaranteed_rate(maxima, _quantiles(pooled, level)) > 1.0 / run_length:
            high = level
        else:
            low = level
    return _quantiles(pooled, low)


def _quantiles(pooled: Floats, level: float) -> Floats:
    """(channels,) values that a block exceeds with probability ``level`` times the channel's weight."""
    count = len(pooled)
    places = np.arange(count) + 0.5
    return np.array(
        [
            np.interp((1.0 - min(0.9, level * weight)) * count, places, pooled[:, channel])
            for channel, weight in enumerate(WEIGHTS)
        ]
    )


def _rates(maxima: Floats, thresholds: Floats) -> tuple[Floats, Floats]:
    """(B,) alarms a record of each pseudo-reference, and the share of its blocks with an alarm."""
    blocks = maxima.shape[1]
    share = ((maxima > thresholds).any(axis=2).sum(axis=1) + 0.5) / (blocks + 1.0)
    return -np.log1p(-share) / BLOCK_RECORDS, share


def _run_lengths(maxima: Floats, thresholds: Floats) -> Floats:
    """(B,) run lengths of the pseudo-references, their spread less that of the simulation's noise."""
    rates, share = _rates(maxima, thresholds)
    if len(rates) == 1:
        return 1.0 / rates
    logarithm = np.log(rates)
    spread, total = _spread(logarithm, share, maxima.shape[1])
    mean = logarithm.mean()
    lengths: Floats = np.exp(-(mean + (logarithm - mean) * (spread / total if total > 0 else 0.0)))
    return lengths


def _spread(logarithm: Floats, share: Floats, blocks: int) -> tuple[float, float]:
    """SD of log-rates (B,) over references, without the simulation's noise and with it."""
    total = float(logarithm.var(ddof=1))
    noise = float(np.mean((1.0 - share) / (share * blocks)))
    return math.sqrt(max(0.0, total - noise)), math.sqrt(max(total, noise))


def _guaranteed_rate(maxima: Floats, thresholds: Floats) -> float:
    """Alarms a record that 95 % of references stay below; of a single one its own rate.

    Rates are near log-normal over references. Their spread is measured with the noise of the simulation, whose
    variance is taken off again; the mean counts at the upper end of what the simulation leaves open (95 %).
    """
    rates, share = _rates(maxima, thresholds)
    if len(rates) == 1:
        return float(rates[0])
    logarithm = np.log(rates)
    spread, total = _spread(logarithm, share, maxima.shape[1])
    uncertain = total / math.sqrt(len(rates))
    return math.exp(float(logarithm.mean()) + GUARANTEE * (spread + uncertain))
