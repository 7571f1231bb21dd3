"""Findings of the rows, whatever was fitted to them."""

from __future__ import annotations

import numpy as np

from core.listing import listed
from trainer.diagnostics.copies import Copies, agreeing_by_chance
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding

#: Share of duplicate rows from which they are spoken of.
DUPLICATE_SHARE = 0.01
#: Fewer copies than this are no finding: one or two agree by chance even where a tenth of one is expected.
FEWEST_COPIES = 3
#: And they are so many times what chance explains: what it does explain is estimated from the rows themselves.
BEYOND_CHANCE = 10.0
#: Where no feature has more values than this, as in a questionnaire, equal rows are nothing to speak of.
COARSE_VALUES = 20


def duplicate_rows(evidence: Evidence) -> Finding | None:
    """Rows whose features occur again, more often than coarse values explain."""
    n, m = len(evidence.x), len(evidence.holdout_x)
    rows = np.concatenate([evidence.x, evidence.holdout_x])
    found = Copies.among(rows, np.concatenate([evidence.y, evidence.holdout_y]), n)
    if found.count < max(FEWEST_COPIES, DUPLICATE_SHARE * n) or found.distinct_values.max() <= COARSE_VALUES:
        return None
    if found.count <= BEYOND_CHANCE * agreeing_by_chance(rows):
        return None
    counts = (
        (found.again, f"{found.again} of {n} training rows are copies of others"),
        (found.across, f"{found.across} of {m} held-out rows are copies of training rows"),
    )
    what = " and ".join(words for count, words in counts if count)
    if 2 * (found.largest - 1) > found.count:
        what += f" (one row alone is there {found.largest} times)"
    look = ""
    if found.contrary:
        what += f", {found.contrary} of them with another label than their original"
        look = "look where labels are joined to rows, and "
    if 2 * found.contrary < found.count:
        what += ", which makes the model look better and surer than it is"
    remedy = f"{look}remove the copies, unless they are records of their own that happen to be equal"
    return Finding("duplicate_rows", what, remedy)


def constant_feature(evidence: Evidence) -> Finding | None:
    """Features with one value only."""
    names = [name for name, varies in zip(evidence.features, evidence.varies, strict=True) if not varies]
    if not names:
        return None
    return Finding(
        "constant_feature",
        f"in all training rows there is one value only of {listed(names)}, so that no weight can be learnt",
        "remove what never varies, or look for a mistake where its values come from",
    )
