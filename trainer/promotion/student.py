"""Student's t distribution: what a mean's distance from zero is worth when its spread is an estimate too."""

from __future__ import annotations

import math
from functools import lru_cache

#: The continued fraction stops where a step changes it by less than this.
_ENOUGH = 1e-14
#: It converges in fewer than a hundred steps for the degrees of freedom of any number of rows.
_STEPS = 1_000
#: Stands for a zero denominator (Lentz's method).
_TINY = 1e-300


def lower_tail(t: float, degrees: float) -> float:
    """Probability of a value of at most ``t``; ``degrees`` of freedom above zero, infinite for the normal one.

    By the incomplete beta function (Abramowitz and Stegun 1964, 26.7.1).

    >>> round(lower_tail(-2.446912, 6), 6), round(lower_tail(-1.959964, math.inf), 6)
    (0.025, 0.025)
    """
    if math.isnan(t):
        return math.nan
    if math.isinf(degrees):
        return 0.5 * math.erfc(-t / math.sqrt(2.0))
    if math.isinf(t):
        return float(t > 0)
    whole = degrees + t * t
    both = _incomplete_beta(degrees / 2, 0.5, degrees / whole, t * t / whole)
    return both / 2 if t < 0 else 1.0 - both / 2


@lru_cache
def quantile(tail: float, degrees: float) -> float:
    """The value that is exceeded with probability 1 - ``tail``; ``tail`` between 0 and 1.

    >>> round(quantile(0.975, 6), 4)
    2.4469
    """
    if tail < 0.5:
        return -quantile(1.0 - tail, degrees)
    low, high = 0.0, 1.0
    while lower_tail(high, degrees) < tail:
        high *= 2
    while high - low > _ENOUGH * high:
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        low, high = (middle, high) if lower_tail(middle, degrees) < tail else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Regularised incomplete beta function by its continued fraction (DLMF 8.17.22); ``rest``: 1 - x, exactly."""
    if x <= 0.0:
        return 0.0
    if rest <= 0.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):  # beyond this the fraction of the mirrored function converges faster
        return 1.0 - _incomplete_beta(b, a, rest, x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * _log(x, rest) + b * _log(rest, x)
    c, d = 1.0, 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, _STEPS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / _not_zero(1.0 + numerator * d)
            c = _not_zero(1.0 + numerator / c)
            fraction *= c * d
        if abs(c * d - 1.0) < _ENOUGH:
            break
    return math.exp(log_front) * fraction / a


def _log(x: float, rest: float) -> float:
    """Logarithm of ``x``, by ``rest`` = 1 - x where that has more digits."""
    return math.log1p(-rest) if rest < 0.5 else math.log(x)


def _not_zero(value: float) -> float:
    return value or _TINY
