"""The rule that decides whether a candidate replaces production: a pure function of figures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainer.evaluation import PairedComparison


@dataclass(frozen=True)
class Verdict:
    """Whether to promote, and why in one sentence."""

    promote: bool
    reason: str


def judge(
    candidate_log_loss: float,
    production_log_loss: float | None,
    fixed_holdout: PairedComparison | None = None,
) -> Verdict:
    """Promote only what is better on the judged rows.

    Parameters
    ----------
    candidate_log_loss, production_log_loss
        Both on the same judged rows: after a drift the newest labelled rows, held out by time; else the validation
        rows. None where nothing is in production yet: then the first valid candidate is promoted.
    fixed_holdout
        Both on production's own holdout, for scheduled and manual runs: there the candidate must not be
        significantly worse. None after a drift of features or labels, when it shows a world that has passed.
    """
    if not math.isfinite(candidate_log_loss):
        return Verdict(False, "The candidate has no finite log-loss on the judged rows, so it is not valid.")
    if production_log_loss is None:
        return Verdict(
            True, f"Nothing is in production yet and the candidate is valid (log-loss {candidate_log_loss:.4f})."
        )
    figures = f"log-loss {candidate_log_loss:.4f} against {production_log_loss:.4f} on the judged rows"
    # a production model without a finite loss cannot defend its place
    if math.isfinite(production_log_loss) and candidate_log_loss >= production_log_loss:
        return Verdict(False, f"The candidate is not better than production ({figures}).")
    if fixed_holdout is not None and fixed_holdout.significantly_worse:
        return Verdict(
            False,
            f"The candidate is better on the judged rows but significantly worse on the fixed holdout "
            f"(log-loss {fixed_holdout.difference:+.4f}, standard error {fixed_holdout.standard_error:.4f}).",
        )
    return Verdict(True, f"The candidate is better than production ({figures}).")
