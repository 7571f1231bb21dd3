"""How much error each attempt at an episode may spend.

A candidate that is refused is tried again when more labels have come. Each look is one more chance to promote what
is no better, so all looks at one episode share one error rate.
"""

from __future__ import annotations

#: How often a candidate that is no better may be promoted, over all attempts of an episode together (nominal).
ERROR_RATE = 0.025


def level_of(attempt: int) -> float:
    """The level of attempt 1, 2, ... at an episode: half of what the earlier ones have left.

    So the levels never add up to more than :data:`ERROR_RATE`, however many attempts there are. What is truly
    better loses little: at attempt 5 there are five times the labels (:data:`trainer.open_request.GROWTH`), so
    that a difference is 2.2 times as many standard errors, and the test asks for 3.2 of them instead of 2.2.

    >>> level_of(1), level_of(2), level_of(3)
    (0.0125, 0.00625, 0.003125)
    """
    return ERROR_RATE * 0.5**attempt
