"""Types of the last part of the live state: the model in production and how it came there."""

from __future__ import annotations

from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the model on rows that it was not fitted to."""

    name: str  #: a label, as "log-loss"
    words: str  #: what it tells, to be read beside the label; empty for a figure that is not known here
    value: float  #: of the model
    low: float | None  #: of its 95 % interval
    high: float | None  #: of that interval


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Production changed, or was to change and did not."""

    ts_ms: int  #: when
    kind: Literal["promotion", "refusal", "rollback", "other"]  #: what became of it
    run_id: str | None  #: run that it is about
    reason: str  #: why it was asked for
    sentence: str  #: the rule's, or a person's word


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """The model in production."""

    run_id: str  #: in production
    previous: str | None  #: run before it
    epoch: int  #: changes of production so far
    since_ms: int  #: when it was promoted
    threshold: float | None = None  #: None: its bytes cannot be read
    calibration: str | None = None  #: method; None: it is not calibrated
    features: int = 0  #: how many it has
    train_rows: int = 0  #: rows it was fitted to
    figures: list[Figure] = []  #: with their intervals
    figures_of: str = ""  #: which rows they are of, or why there are none
    history: list[Decision] = []  #: at most 12, newest first
    rollback: str | None = None  #: command that puts the run before back; None: there is none
