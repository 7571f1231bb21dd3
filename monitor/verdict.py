"""The verdict on a closed window, put together once: what drift stream, retrain event, gauges and log show."""

from __future__ import annotations

import numpy as np

from core.drift_window import UNMENDED, Alarm, DriftWindow, Reading
from core.model import Floats
from monitor.detectors import concept, headline
from monitor.detectors.base import Crossing
from monitor.drift_engine import Judgement
from monitor.episode import EpisodeStep, JudgedWindow
from monitor.label_watch import LabelVerdict, NotedAlarm
from monitor.trail import Span, Trail


def alarm_of(crossing: Crossing, trail: Trail, features: tuple[str, ...], window: int, model: str) -> Alarm:
    """An alarm with the ids of its records; ``trail`` is as it stood with the record at which it was raised."""
    at, first = trail.locate(1), trail.locate(crossing.back)
    blame = () if crossing.detector in UNMENDED else crossing.blame
    return Alarm(
        detector=crossing.detector,
        statistic=crossing.statistic,
        threshold=crossing.threshold,
        effect=float(abs(crossing.shift[blame[0]])) if blame else 0.0,
        shift=_by_feature(features, crossing.shift),
        blame=[features[index] for index in blame],
        record=at.record,
        entry=at.entry,
        first=first.record,
        since=first.entry,
        since_partition=first.partition,
        since_row=first.row,
        records=first.back,
        window=window,
        model=model,
        sentence=crossing.words,
    )


def alarm_of_labels(
    noted: NotedAlarm, features: tuple[str, ...], window: int, model: str, *, calibrated: bool = False
) -> Alarm:
    """An alarm of the labels; records are labelled ones, in the order in which their labels came.

    Of a model that is ``calibrated`` the sentence says that the log-loss is that before calibration.
    """
    said = noted.alarm
    at, first = noted.trail.locate(1), noted.trail.locate(said.since)
    over = "the last label" if said.since == 1 else f"the last {said.since:,} labels"
    usual = said.log_loss - said.log_loss_change
    words = said.words[0].upper() + said.words[1:]
    which = "log-loss before calibration" if calibrated else "log-loss"
    return Alarm(
        detector=concept.NAME,
        statistic=said.statistic,
        threshold=said.threshold,
        effect=0.0,
        shift=dict.fromkeys(features, 0.0),
        blame=[],
        record=at.record,
        entry=at.entry,
        first=first.record,
        since=first.entry,
        since_partition=first.partition,
        since_row=first.row,
        records=first.back,
        window=window,
        model=model,
        sentence=f"{words}; the {which} of {over} is {said.log_loss:.2f} instead of {usual:.2f}.",
    )


def judged_window(
    window: int, judgement: Judgement, labels: LabelVerdict, alarm: Alarm | None, min_records: int
) -> JudgedWindow:
    """What the rule of episodes looks at."""
    return JudgedWindow(
        window,
        alarm,
        [reading.detector for reading in (*judgement.readings, labels.reading) if reading.alarm],
        asks_retraining=alarm is not None and alarm.detector not in UNMENDED,
        enough=judgement.judged and judgement.n >= min_records,
        calm=judgement.calm and labels.reading.calm,
        settled=labels.settled,
    )


def drift_window(
    judged: JudgedWindow,
    judgement: Judgement,
    labels: LabelVerdict,
    step: EpisodeStep,
    span: Span,
    features: tuple[str, ...],
    model: str,
) -> DriftWindow:
    """The entry of the drift stream."""
    z, episode = judgement.z, step.state.episode
    order = np.argsort(-np.abs(z), kind="stable")
    changed = zip(features, judgement.constant_changed.tolist(), strict=True)
    return DriftWindow(
        window=judged.window,
        state=step.window_state,
        detector=headline.NAME,
        score=judgement.score,
        threshold=judgement.threshold,
        n=judgement.n,
        skipped=judgement.skipped,
        first=span.first,
        last=span.last,
        first_entry=span.first_entry,
        last_entry=span.last_entry,
        model=model,
        p_mean=judgement.p_mean if judgement.calibrated_mean is None else judgement.calibrated_mean,
        p_raw_mean=None if judgement.calibrated_mean is None else judgement.p_mean,
        z=_by_feature(features, z),
        blame=[features[index] for index in order],
        constant_changed={name: count for name, count in changed if count},
        episode=None if episode is None else episode.number,
        alarmed=[] if episode is None else episode.alarmed,
        alarm=judged.alarm,
        readings=[
            Reading(one.detector, one.statistic, one.threshold, one.alarm, one.calm)
            for one in (*judgement.readings, labels.reading)
        ],
        labels=labels.figures,
    )


def _by_feature(features: tuple[str, ...], values: Floats) -> dict[str, float]:
    return dict(zip(features, values.tolist(), strict=True))
