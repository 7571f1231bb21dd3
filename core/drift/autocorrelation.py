"""Whether ordered reference rows depend on the row before, feature by feature, and what is left of their number.

Autocorrelated records carry less information than their number says, and every threshold for independent records
alarms too often on them. One decision is taken for all features at once: where rows are in order of time, they are
so in every feature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from core.model import Floats

#: Chance that rows without autocorrelation are taken to have it, over all features together.
LEVEL = 0.01
#: Coefficients beyond it would leave 1/200 of a record's information, and no estimate of so little holds.
LARGEST = 0.99
#: Values beyond so many robust SD count as that far: one giant value would otherwise hide the rest.
WINSORISED_AT = 4.0
#: Fewer pairs tell nothing: a coefficient below .6 could not be told from chance.
LEAST_PAIRS = 30
#: A column decides only where its kurtosis is at most so many times sqrt(pairs): of a column that is 1 in three
#: rows of 720, two may lie side by side by chance, which looks like a coefficient of .3.
MOST_KURTOSIS = 0.5
_NORMAL_QUARTILES = 1.349  # distance between the quartiles of a normal distribution, in SD


@dataclass(frozen=True, eq=False)
class Autocorrelation:
    """Lag-1 autocorrelation of d features."""

    coefficients: Floats  #: (d,) from 0 to ``LARGEST``; all 0 where the rows are taken to be independent
    autocorrelated: bool  #: the joint decision
    pairs: int  #: rows whose predecessor in time is known


def estimate_autocorrelation(x: Floats, before: Floats) -> Autocorrelation:
    """Lag-1 autocorrelation of reference rows.

    The largest and the mean coefficient are tested, one-sided and at half the level each, so that much in one
    feature is found as well as a little in all of them. Without autocorrelation the coefficients are normal with
    variance 1 / pairs and correlations r_ij^2 (r_ij those of the features), whatever the features' distribution.

    Where either is significant every coefficient is kept: one that is left out errs by up to what chance could
    hide, one that is kept by chance alone, which is less. Negative ones become 0, which is on the safe side: sums
    of such records vary less than those of independent ones.

    Parameters
    ----------
    x
        (N, d) rows.
    before
        (N, d) the record before each in time, whether it is a row itself or not; nan where it is unknown.
    """
    known = ~np.isnan(before).any(axis=1)
    pairs = int(np.count_nonzero(known))
    none = Autocorrelation(np.zeros(x.shape[1]), autocorrelated=False, pairs=pairs)
    if pairs < LEAST_PAIRS:
        return none
    z, z_before = _winsorised(x, before[known])
    varies = (z != 0).any(axis=0)
    if not varies.any():
        return none
    coefficients: Floats = (z[known] * z_before).sum(axis=0) / pairs
    decides = varies & ((z**4).mean(axis=0) <= MOST_KURTOSIS * math.sqrt(pairs))
    if not _significant(coefficients[decides], z[:, decides], pairs):
        return none
    return Autocorrelation(np.clip(coefficients, 0.0, LARGEST), autocorrelated=True, pairs=pairs)


def lag_one(x: Floats, before: Floats) -> Floats:
    """(d,) the coefficients alone, from -1 to ``LARGEST``, of rows (N, d) that were found autocorrelated."""
    known = ~np.isnan(before).any(axis=1)
    z, z_before = _winsorised(x, before[known])
    coefficients: Floats = (z[known] * z_before).sum(axis=0) / max(1, np.count_nonzero(known))
    return np.clip(coefficients, -1.0, LARGEST)


def _winsorised(x: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Rows (N, d) and others (n, d), at most ``WINSORISED_AT`` robust SD from the rows' median.

    Both then around the rows' mean and in their SD; 0 where the rows are constant.
    """
    lower, median, upper = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    with np.errstate(over="ignore"):
        scale = (upper - lower) / _NORMAL_QUARTILES
        scale = np.where(scale > 0, scale, x.std(axis=0))  # most rows are equal
        scale = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
        near, near_others = (
            np.clip((rows - median) / scale, -WINSORISED_AT, WINSORISED_AT) for rows in (x, others)
        )
    mean, deviation = near.mean(axis=0), near.std(axis=0)
    varies = (x != x[0]).any(axis=0) & (deviation > 0)
    unit = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    return (near - mean) * unit, (near_others - mean) * unit


def _significant(coefficients: Floats, z: Floats, pairs: int) -> bool:
    """Whether the largest or the mean of d coefficients exceeds what independent rows ``z`` (N, d) give."""
    width = len(coefficients)
    if not width:
        return False
    score = coefficients * math.sqrt(pairs)
    correlation = z.T @ z / len(z)
    mean = float(score.sum()) / math.sqrt(float((correlation**2).sum()))
    half = LEVEL / 2.0
    normal = NormalDist()
    return float(score.max()) > -normal.inv_cdf(half / width) or mean > -normal.inv_cdf(half)
