"""The distribution of probabilities among the training rows, from the deciles in a model's drift reference."""

from __future__ import annotations

import numpy as np

from core.drift.reference import DriftReference
from core.model import Floats

#: Edges of the bins in which probabilities are shown.
EDGES = np.linspace(0.0, 1.0, 11)
#: Of a normal distribution the first tenth lies within so many widths of the second, but for .9 % of all rows.
REACH = 2.5


def training_shares(reference: DriftReference) -> Floats:
    """(10,) shares of the training rows whose probability, before calibration, lies in each bin of ``EDGES``.

    A reference has ten bins of the probability that hold about a tenth of the rows each. From their edges back in
    units of probability the distribution function is drawn in straight lines and read off at ``EDGES``. So it is
    exact at the deciles and even between them, which is approximate: most so beyond the first and the last one,
    where nothing is known of the rows but their number. There they are taken to reach ``REACH`` times as far as
    those of the bin beside them, and not beyond 0 and 1.
    Where training was autocorrelated the bins are of what the record before does not explain, of the same mean and
    spread as the probabilities themselves; then the shape is approximate too. Rows of one value are a jump.
    """
    transform = reference.transform
    place = len(transform.index)  # behind the features
    if transform.probability_factor <= 0:
        return _all_at(transform.probability_mean)
    edges, shares = reference.bins.edges[place], reference.bins.shares[place]
    inner = np.isfinite(edges)
    standardised = edges[inner] * transform.feature_scale[-1] + transform.feature_mean[-1]
    probability = np.clip(transform.probability_mean + standardised / transform.probability_factor, 0.0, 1.0)
    below = np.cumsum(shares)[:-1][inner]
    ends = [0.0, 1.0]
    if len(probability) > 1:
        ends = [
            max(0.0, probability[0] - REACH * (probability[1] - probability[0])),
            min(1.0, probability[-1] + REACH * (probability[-1] - probability[-2])),
        ]
    x, y = np.concatenate([ends[:1], probability, ends[1:]]), np.concatenate([[0.0], below, [1.0]])
    found: Floats = np.diff(np.interp(EDGES, x, y))
    total = found.sum()
    return found / total if total > 0 else _all_at(transform.probability_mean)


def _all_at(probability: float) -> Floats:
    """All rows in the bin of one probability."""
    shares: Floats = np.histogram([min(1.0, max(0.0, probability))], EDGES)[0].astype(np.float64)
    return shares
