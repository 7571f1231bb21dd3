"""Types of the second part of the live state: what the monitor says about drift."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.drift_window import WindowState

MarkKind = Literal["alarm", "retrain", "promotion", "refusal"]


class WindowView(msgspec.Struct, frozen=True, kw_only=True):
    """One closed window."""

    window: int  #: its number
    state: WindowState  #: the verdict
    model: str = ""  #: run that judged it
    score: float  #: mean absolute z shift over the features
    threshold: float  #: what the score may reach by chance
    n: int  #: records in it
    skipped: int  #: records in it that could not be used
    first: str  #: id of its first record
    last: str  #: id of its last record
    ts_ms: int | None  #: when its last record came
    episode: int | None  #: window that opened the episode, while one is open
    alarmed: list[str]  #: detectors that alarmed in the episode
    p_mean: float | None  #: mean probability of class 1
    z: dict[str, float]  #: shift by feature in training standard deviations; at most 40, the largest first
    features: int  #: how many there are
    blame: list[str]  #: at most 10


class ReadingView(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector says in the newest window."""

    detector: str  #: its name
    words: str  #: what it watches
    statistic: float | None  #: at its largest in the window
    threshold: float | None  #: None: it cannot alarm yet
    alarm: bool  #: the threshold was exceeded
    calm: bool  #: the statistic gives no hint of a drift


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Score against threshold over time: columns of equal length, a point the worst window of a piece of time."""

    from_ms: int = 0  #: beginning of the span, or about where the first kept window began if that is later
    to_ms: int = 0  #: its end
    span_s: float = 0.0  #: seconds from the one to the other
    ts_ms: list[int] = []  #: when the worst window of each point ended
    score: list[float | None] = []  #: of that window
    threshold: list[float | None] = []  #: of that window
    state: list[WindowState] = []  #: of that window
    window: list[int] = []  #: number of the worst window
    windows: list[int] = []  #: how many windows the point stands for


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """Shift by feature over time: a row a feature, a column a point of the history."""

    features: list[str] = []  #: at most 20, the most shifted first
    features_total: int = 0  #: how many there are
    z: list[list[float | None]] = []  #: training standard deviations, 2 decimals


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened within the history's span."""

    ts_ms: int  #: when
    kind: MarkKind  #: what
    text: str  #: in words
    window: int | None  #: number of the window it belongs to


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """What the monitor says about drift."""

    false_alarm_records: float  #: records between two false alarms, as the settings ask for
    window: WindowView | None = None  #: the newest with a verdict, else the newest
    words: str = ""  #: which features are to blame, or that nothing stands out, or why there is no verdict
    readings: list[ReadingView] = []  #: one a detector
    history: History = History()  #: score against threshold over time
    heat: Heat = Heat()  #: shift by feature over time
    marks: list[Mark] = []  #: at most 100, newest last
