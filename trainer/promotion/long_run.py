"""How much more a mean of neighbouring rows wobbles than one of independent rows.

Where the world changes a little from hour to hour, all rows of one hour favour the same model by chance. A test
that takes them for independent then promotes candidates that are no better: 17 to 30 % of truly equal ones where
the base rate wobbles by .3 to .6 in the logit between windows of 400 rows.
"""

from __future__ import annotations

import numpy as np

from core.model import Floats

#: Cosines over the rows. They measure waves down to two fifths of the series, longer than the judged rows that
#: follow, a quarter of it; more would miss windows as long as those, fewer leave a test of less power. With five
#: attempts where the base rate wobbles by .6, equal candidates are promoted in 3.3 % of episodes; with 6 in 4.5 %.
WAVES = 5
#: A shorter series says nothing of waves.
MIN_ROWS = 30
#: From here on waves are reckoned with whether they show or not. Fewer rows are hardly more than one window of a
#: wobbling world and could not rule it out, but the test would cost a third of the power: of 20 demos, with 540
#: rows, one promoted nothing. Of them only waves that show count.
MANY_ROWS = 600
#: The ratio that independent rows exceed in one of twenty series: the 95 % point of chi-squared, a degree.
SHOWN = 11.0705 / WAVES


def counts(ratio: float, rows: int) -> bool:
    """Whether a ratio of a series of so many rows is one to reckon with."""
    return rows >= MANY_ROWS or ratio > SHOWN


def variance_ratio(differences: Floats) -> float | None:
    """Long-run variance of a series (n,) in time order, in units of its variance; None where it cannot tell.

    The mean square of its first cosine transforms, the equal-weighted cosine estimate: where the series is much
    longer than its memory they are independent, so a test with this variance has :data:`WAVES` degrees of freedom
    (Lazarus, Lewis, Stock, Watson 2018, Journal of Business and Economic Statistics 36:541).

    >>> alternating = np.tile([1.0, -1.0], 50)
    >>> round(variance_ratio(alternating), 3), round(variance_ratio(np.sort(alternating)), 1)
    (0.012, 18.7)
    """
    n = len(differences)
    if n < MIN_ROWS or not np.isfinite(differences).all():
        return None
    deviations = differences - differences.mean()
    variance = float((deviations**2).mean())
    if variance <= 0.0:
        return None
    places = (np.arange(n) + 0.5) / n
    transforms = [
        np.sqrt(2.0 / n) * float(deviations @ np.cos(np.pi * wave * places)) for wave in range(1, WAVES + 1)
    ]
    return float(np.mean(np.square(transforms))) / variance
