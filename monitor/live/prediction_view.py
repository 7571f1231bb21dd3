"""Types of the third part of the live state: what the model says of the records."""

from __future__ import annotations

import msgspec


class Contribution(msgspec.Struct, frozen=True):
    """What one feature adds to a logit."""

    feature: str  #: its name
    value: float  #: in log-odds


class PredictionView(msgspec.Struct, frozen=True, kw_only=True):
    """One record's prediction: ``logit = bias + contributions + rest``."""

    id: str  #: of the record
    record: str  #: entry id
    row: int  #: its number in the entry
    ts_ms: int | None  #: when it was answered
    pred: int  #: the class
    p_class1: float  #: probability of class 1, calibrated where the model is
    p_raw: float | None  #: before calibration; None: the model has none
    logit: float  #: log-odds of class 1
    bias: float  #: the model's intercept
    contributions: list[Contribution]  #: at most 12, the largest first
    rest: float  #: sum of the others
    rest_features: int  #: how many they are
    model: str  #: run that answered


class PredictionsView(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities now and in training, and the newest predictions."""

    classes: tuple[str, str] = ("0", "1")  #: names of class 0 and class 1
    threshold: float = 0.5  #: probability from which on class 1 is predicted
    sampled: int = 0  #: records behind ``now``
    since_ms: int | None = None  #: when the oldest of them was answered
    edges: list[float] = []  #: (11,) of the bins
    now: list[float] = []  #: (10,) shares of records; empty where nothing was sampled
    training: list[float] | None = None  #: (10,) likewise, of the training rows
    raw: bool = False  #: both are of probabilities before calibration
    raw_threshold: float | None = None  #: the threshold in terms of these, where ``raw``
    newest: list[PredictionView] = []  #: at most 10, newest first
