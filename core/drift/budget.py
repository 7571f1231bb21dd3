"""How one budget for false alarms is shared out among the detectors.

By the union bound the alarm rate of all detectors together is at most the sum of theirs: a detector with share s
of the rate alarms falsely once in budget / s records.
"""

from __future__ import annotations

import math

#: Of the detectors that judge record by record; they are calibrated jointly to what is theirs.
RECORD_SHARE = 0.91
#: Of the headline score. It sees little that the likelihood ratio does not see earlier; it is what people look at.
HEADLINE_SHARE = 0.03
#: Of the bins: changes that leave mean, spread and prediction alone are rare.
DISTRIBUTION_SHARE = 0.05
#: Of the rejected records and those with missing features. Little is enough: a share ten times as small makes the
#: threshold larger by 2.3, which is two or three more such records, and of full panes hardly any of it is used.
UNUSABLE_SHARE = 0.005
#: Of features that were constant in training; as of unusable records.
CONSTANT_SHARE = 0.005
#: A quiet pane exceeds the calm level with a probability of about 1 - exp(-1 / 4.5) = 20 %, whatever the budget.
CALM_PANES = 4.5
#: The least budget of a calm level: further below the calibration's lower anchor of 2,500 records thresholds are
#: no lines any more. Of shorter panes than 111 records fewer than 20 % exceed the level.
LEAST_CALM_RECORDS = 500.0
#: The same for what is judged at the end of a pane.
CALM_TAIL = 0.2


def record_budget(budget: float) -> float:
    """Records between two false alarms of the record-by-record detectors, for ``budget`` over everything."""
    return budget / RECORD_SHARE


def calm_budget(slide: int) -> float:
    """Budget to which the calm level of panes of ``slide`` records belongs."""
    return max(LEAST_CALM_RECORDS, CALM_PANES * slide)


def tail(budget: float, share: float, pane_records: int) -> float:
    """Probability with which a detector that judges at a pane's end may alarm there when nothing changed.

    It is that of one record at least, for panes without one, and at most that of the calm level.

    >>> tail(10_000, 0.05, 500)
    0.0025
    """
    return min(CALM_TAIL, share * max(1, pane_records) / budget)


def bernoulli_threshold(budget: float, share: float) -> float:
    """Threshold of a CUSUM of log likelihood ratios that is judged at the end of each pane.

    Its mean run length is at least exp(threshold) panes (Lorden 1971, *Ann. Math. Statist.* 42:1897-1908).
    A pane may hold a single record, as in a slow stream, so panes count as records; of full ones it is far more.
    """
    return math.log(budget / share)


def bernoulli_calm_threshold(share: float) -> float:
    """The same for the calm level, which a quiet pane exceeds with a probability of about 1 / ``CALM_PANES``."""
    return math.log(CALM_PANES / share)
