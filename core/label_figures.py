"""What a window's entry says of labels."""

from __future__ import annotations

import msgspec


class LabelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Labels at the end of a window; counts are of those that came since the window before.

    A label that came is counted once: as tested, stale, repeated, left out, or, once it has waited in vain, as
    unmatched. Log-loss and rate are those of the model in production, over the last few hundred tested labels, the
    newest with the greatest weight. Both log-losses are of the logit, before calibration: what is tested must not
    change with one.
    """

    tested: int  #: found their row and were tested against what the model in production said of it
    early: int  #: of these, those that came before their record
    stale: int  #: found a row that an earlier model judged
    repeated: int  #: their row had its label already
    left_out: int  #: of records that were not sampled
    unmatched: int  #: given up: no row came while they waited
    waiting: int  #: wait for their row, at the window's end
    coverage: float  #: share of the rows with a label, of the newest 100,000 sampled ones of at most 7 days
    delay_s: float | None  #: mean time from a record to its label, of the tested ones; one's own came at once
    log_loss: float | None  #: of what the model said of them, before calibration
    reference_log_loss: float  #: of the rows held out when the model was trained
    rate_change: float | None  #: share of class 1, less what those rows lead one to expect
