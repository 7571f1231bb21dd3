"""How a model's operating point is chosen: kept with the model, so that the next one is made alike."""

from __future__ import annotations

from typing import Literal

import msgspec

#: ``fixed`` is a threshold that a person gave; the others are found on held-out rows.
ThresholdBy = Literal["fixed", "f1", "youden", "cost", "recall", "precision"]

#: Where both kinds of error cost the same, class 1 is predicted from this probability on.
EVEN_THRESHOLD = 0.5
#: Costs in any unit. Far beyond, sums and squares of them over many rows would leave float64.
LEAST_COST, MOST_COST = 1e-15, 1e15


class ThresholdRule(msgspec.Struct, frozen=True):
    """What the threshold is to be, or to be best at. Raises ValueError for a rule that says too little."""

    by: ThresholdBy = "fixed"
    at: float = EVEN_THRESHOLD  #: fixed: the threshold itself
    cost_fn: float | None = None  #: cost: of one class 1 that is missed
    cost_fp: float | None = None  #: cost: of one class 0 that is taken for class 1, in the same unit
    least: float | None = None  #: recall, precision: what it must at least be

    def __post_init__(self) -> None:
        if not 0 <= self.at <= 1:
            raise ValueError(f"threshold is {self.at}; choose 0 to 1")
        if self.by == "cost":
            for name, cost in (("cost_fn", self.cost_fn), ("cost_fp", self.cost_fp)):
                if cost is None:
                    raise ValueError(f"{name} is not set; a threshold by cost needs cost_fn and cost_fp")
                if not LEAST_COST <= cost <= MOST_COST:
                    raise ValueError(f"{name} is {cost}; choose a cost from {LEAST_COST:g} to {MOST_COST:g}")
        if self.by in {"recall", "precision"}:
            if self.least is None:
                raise ValueError(f"min_{self.by} is not set; a threshold by {self.by} needs it")
            if not 0 < self.least <= 1:
                raise ValueError(f"min_{self.by} is {self.least}; choose a value above 0, at most 1")

    @property
    def words(self) -> str:
        """The rule as a person says it."""
        return {
            "fixed": "as given" if self.at != EVEN_THRESHOLD else "even odds",
            "f1": "best F1",
            "youden": "best Youden index",
            "cost": f"least cost at {_short(self.cost_fn)} a miss and {_short(self.cost_fp)} a false alarm",
            "recall": f"best precision with recall of at least {self.least}",
            "precision": f"best recall with precision of at least {self.least}",
        }[self.by]


def _short(cost: float | None) -> str:
    return f"{cost or 0.0:g}"


#: The rule where none is asked for.
EVEN = ThresholdRule()


def threshold_rule(
    by: ThresholdBy | None = None,
    at: float | None = None,
    cost_fn: float | None = None,
    cost_fp: float | None = None,
    min_recall: float | None = None,
    min_precision: float | None = None,
) -> ThresholdRule | None:
    """The rule that options ask for, or None where they ask for none; a figure given alone names its rule.

    >>> threshold_rule(cost_fn=120, cost_fp=18).by
    'cost'

    Raises
    ------
    ValueError
        Options that ask for two things, or for too little.
    """
    implied: dict[ThresholdBy, tuple[str, bool]] = {
        "fixed": ("threshold", at is not None),
        "cost": ("cost_fn and cost_fp", cost_fn is not None or cost_fp is not None),
        "recall": ("min_recall", min_recall is not None),
        "precision": ("min_precision", min_precision is not None),
    }
    asked = [kind for kind, (_, given) in implied.items() if given]
    if by is not None and by not in asked:
        asked.insert(0, by)
    if not asked:
        return None
    if len(asked) > 1:
        names = [f"threshold_by {kind}" if kind == by else implied[kind][0] for kind in asked]
        raise ValueError(f"{' and '.join(names)} ask for different operating points; set one of them")
    (kind,) = asked
    if kind == "fixed" and at is None:
        raise ValueError("threshold is not set; a fixed threshold needs it")
    least = {"recall": min_recall, "precision": min_precision}.get(kind)
    return ThresholdRule(kind, EVEN_THRESHOLD if at is None else at, cost_fn, cost_fp, least)
