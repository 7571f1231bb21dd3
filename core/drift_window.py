"""One closed window of the drift stream, and the retrain event that a confirmed drift writes."""

from __future__ import annotations

from typing import Literal

import msgspec

#: ``insufficient``: too few records for a verdict; ``recovering``: within the bounds, in an open episode.
WindowState = Literal["insufficient", "ok", "drift", "recovering"]


class DriftWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one window; it feeds gauge, drift stream, retrain event and log alike.

    Nothing in it depends on a clock or on how the records were read, so a replay gives equal entries.
    """

    window: int
    state: WindowState
    detector: str
    score: float  #: mean |z_shift| over the features that vary
    threshold: float
    n: int  #: records in the window
    skipped: int  #: records in it that could not be used
    first: str  #: id of the first record
    last: str  #: id of the last record
    first_entry: str  #: entry id of the first record
    last_entry: str
    model: str  #: run whose profile judged it
    p_mean: float  #: mean probability of class 1
    z: dict[str, float]  #: z shift by feature, in training standard deviations
    blame: list[str]  #: features by size of their shift, the largest first
    constant_changed: dict[str, int]  #: records that left the only value seen in training, by feature
    episode: int | None = None  #: window that opened the episode, while one is open


#: Why production may be asked to change.
RetrainReason = Literal["drift", "scheduled", "manual", "label_drift"]


class RetrainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A request to train anew."""

    reason: RetrainReason
    model: str | None = None  #: run that was in production
    window: int | None = None
    episode: int | None = None
    since: str | None = None  #: entry id of the first suspected record
    first: str | None = None  #: id of the first suspected record
    score: float | None = None
    threshold: float | None = None
    blame: list[str] | None = None
    z: dict[str, float] | None = None
