"""The distribution of the drift score when nothing has drifted.

With z ~ Normal(0, v R), R the training correlation matrix and v = 1/n + 1/N, the score S = mean_i |z_i| has a mean
and a variance in closed form (absolute moments of a bivariate normal; Johnson and Kotz, *Continuous Multivariate
Distributions*, 1972, ch. 36) and quantiles that scale with sqrt(v).
"""

from __future__ import annotations

import numpy as np

from core.model import Floats

#: Tail probabilities whose quantiles a profile stores; a threshold in between is interpolated in log tail.
TAILS = np.array([0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001])
#: Draws for the quantiles: at 400,000 the 1 % tail is known to 1.6 %, the .01 % tail to 16 %.
DRAWS = 400_000
#: At most this many multiplications for the draws, so that 500 features take seconds, not minutes.
WORK = 4e9
_CHUNK_ROWS = 20_000


def variance_factor(window_rows: int, reference_rows: int) -> float:
    """v = 1/n + 1/N: the window is a sample, and so is the reference."""
    return 1.0 / window_rows + 1.0 / reference_rows


def null_mean(v: float) -> float:
    """E S = sqrt(2 v / pi).

    >>> round(null_mean(variance_factor(100, 720)), 3)
    0.085
    """
    return float(np.sqrt(2.0 * v / np.pi))


def null_standard_deviation(correlation: Floats, v: float) -> float:
    """SD of S for a correlation matrix (d, d): correlated features widen it."""
    r = np.clip(correlation, -1.0, 1.0)
    covariance = (2.0 / np.pi) * (np.sqrt(1.0 - r**2) + r * np.arcsin(r) - 1.0)
    return float(np.sqrt(v * covariance.sum()) / len(r))


def null_quantiles(correlation: Floats, seed: int) -> Floats:
    """Quantiles of mean|Z|, Z ~ Normal(0, R), at the tails of :data:`TAILS` (same shape); deterministic."""
    d = len(correlation)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    draws = int(np.clip(WORK / (d * d), 20_000, DRAWS))
    generator = np.random.default_rng(seed)
    scores = np.empty(draws)
    for start in range(0, draws, _CHUNK_ROWS):
        rows = min(_CHUNK_ROWS, draws - start)
        normal = generator.standard_normal((rows, d))
        scores[start : start + rows] = np.abs(normal @ root.T).mean(axis=1)
    return np.quantile(scores, 1.0 - TAILS)
