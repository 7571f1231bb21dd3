"""One closed window of the drift stream, the alarm in it, and the retrain event that an alarm writes."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.label_figures import LabelFigures

#: ``insufficient``: too few records for a verdict; ``drift``: an alarm in this window; ``recovering``: none, in an
#: open episode.
WindowState = Literal["insufficient", "ok", "drift", "recovering"]


class Reading(msgspec.Struct, frozen=True):
    """What one detector says at the end of a window."""

    detector: str  #: its name
    statistic: float  #: at its largest among the records since the window before
    threshold: float  #: that belongs to the budget
    alarm: bool  #: it was exceeded
    calm: bool  #: the statistic gives no hint of a drift


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of the detector that alarmed: made once, shown by gauge, drift stream, retrain event and log.

    The suspected change is the detector's estimate of where the drift began. The figures in training standard
    deviations are means over the records from there to the alarm.
    """

    detector: str  #: that alarmed
    statistic: float  #: its statistic at that record
    threshold: float  #: which it exceeded
    effect: float  #: size of the shift of the feature that is blamed first, in training standard deviations
    shift: dict[str, float]  #: shift of the mean by feature, in training standard deviations
    blame: list[str]  #: features by their part in the alarm, the largest first
    record: str  #: id of the record at which it alarmed
    entry: str  #: entry id of that record
    first: str  #: id of the first suspected record
    since: str  #: entry id of the first suspected record
    since_partition: int = 0  #: its partition
    since_row: int = 0  #: its number in the entry
    records: int  #: from the first suspected one to the one at which it alarmed
    window: int  #: that ended with the alarm, or in which it was
    model: str  #: run whose reference judged
    sentence: str  #: the alarm in words


class DriftWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one window; it feeds gauge, drift stream, retrain event and log alike.

    Nothing in it depends on a clock or on how the records were read, so a replay gives equal entries.
    """

    window: int  #: its number; the first is 1
    state: WindowState  #: the verdict
    detector: str  #: whose score and threshold stand here; those of the others are in ``readings``
    score: float  #: mean |z_shift| over the features that vary
    threshold: float  #: what the score may reach by chance
    n: int  #: records in the window
    skipped: int  #: records in it that could not be used
    first: str  #: id of the first record
    last: str  #: id of the last record
    first_entry: str  #: entry id of the first record
    last_entry: str  #: entry id of the last record
    model: str  #: run whose profile judged it
    p_mean: float  #: mean probability of class 1, as predictions say it
    z: dict[str, float]  #: z shift by feature, in training standard deviations
    blame: list[str]  #: features by size of their shift, the largest first
    constant_changed: dict[str, int]  #: records that left the only value seen in training, by feature
    p_raw_mean: float | None = None  #: mean probability before calibration, which is watched; of calibrated models
    episode: int | None = None  #: window that opened the episode, while one is open
    alarmed: list[str] = []  #: detectors that alarmed in the open episode
    alarm: Alarm | None = None  #: only where a detector alarmed
    readings: list[Reading] = []  #: one a detector
    labels: LabelFigures | None = None  #: once a label came


#: Why production may be asked to change; ``alert``: Alertmanager or Grafana asked.
RetrainReason = Literal["drift", "scheduled", "manual", "label_drift", "alert"]
#: Detectors whose alarms no training mends.
UNMENDED = frozenset({"unusable"})
#: The detector that looks at labels.
OF_LABELS = "concept"


class RetrainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A request to train anew; after an alarm, with what that says."""

    reason: RetrainReason  #: why
    model: str | None = None  #: run that was in production
    window: int | None = None  #: that ended with the alarm, or in which it was
    episode: int | None = None  #: window that opened the episode
    since: str | None = None  #: entry id of the first suspected record
    since_partition: int | None = None  #: the partition of that record
    since_row: int | None = None  #: its number in the entry
    first: str | None = None  #: id of the first suspected record
    records: int | None = None  #: from that one to the one at which the detector alarmed
    detector: str | None = None  #: that alarmed
    statistic: float | None = None  #: its statistic at that record
    score: float | None = None  #: the statistic, under the name that readers of older events know
    threshold: float | None = None  #: which it exceeded
    effect: float | None = None  #: size of the shift of the feature that is blamed first, in training SDs
    blame: list[str] | None = None  #: features by their part in the alarm, the largest first
    z: dict[str, float] | None = None  #: the alarm's ``shift``
    sentence: str | None = None  #: the alarm in words, or the alert's summary
    alert: str | None = None  #: name of the alert that asked


def drift_event(alarm: Alarm, episode: int) -> RetrainEvent:
    """What asks for a retraining after an alarm, in an episode that has not asked yet."""
    return RetrainEvent(
        reason="label_drift" if alarm.detector == OF_LABELS else "drift",
        model=alarm.model,
        window=alarm.window,
        episode=episode,
        since=alarm.since,
        since_partition=alarm.since_partition,
        since_row=alarm.since_row,
        first=alarm.first,
        records=alarm.records,
        detector=alarm.detector,
        statistic=alarm.statistic,
        score=alarm.statistic,
        threshold=alarm.threshold,
        effect=alarm.effect,
        blame=alarm.blame,
        z=alarm.shift,
        sentence=alarm.sentence,
    )
