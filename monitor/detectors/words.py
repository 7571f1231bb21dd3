"""An alarm as a sentence that a person understands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.drift.transform import Transform
from monitor.detectors import constant, cusum, distribution, headline, prediction, spread, unusable
from monitor.detectors.base import Alarm, Evidence


def sentence(
    alarm: Alarm,
    evidence: Evidence,
    transform: Transform,
    features: Sequence[str],
    blame: Sequence[int],
) -> str:
    """What happened, how large it is, and for how long.

    ``features`` are the names of all d, ``blame`` their ranked numbers.
    """
    detector, since = alarm.detector, _since(alarm, evidence)
    names = [features[number] for number in transform.index]
    if detector == prediction.NAME:
        usual = transform.probability_mean
        said = f"The mean predicted probability is {evidence.probability:.2f} instead of {usual:.2f} {since}"
    elif detector == spread.NAME:
        where = "farther from" if alarm.upwards else "nearer to"
        said = f"Records lie {where} the centre of the training rows than those did, {since}"
    elif detector == distribution.NAME:
        what = {
            distribution.PROBABILITY: "The predicted probability",
            distribution.RADIUS: "The distance of records from the centre of the training rows",
        }.get(alarm.channel) or names[alarm.column]
        said = f"{what} is distributed otherwise than in training over {_last(alarm.records)}"
    elif detector == unusable.NAME:
        what = "were rejected" if alarm.channel == unusable.REJECTED else "lacked a feature"
        said = f"{100.0 * alarm.events / alarm.records:.2g} % of {_last(alarm.records)} {what}"
    elif detector == constant.NAME:
        times = f"{alarm.events:,} of {_last(alarm.records)}"
        said = f"{features[blame[0]]} left the only value it had in training in {times}"
    elif detector == headline.NAME:
        away = f"{alarm.statistic:.2g} SD from those of training on average"
        said = f"The means of {_last(alarm.records)} are {away}; {_moved(alarm, evidence, names)} {since}"
    else:
        said = f"{_moved(alarm, evidence, names)} {since}"
    return f"{said}."


def _moved(alarm: Alarm, evidence: Evidence, names: Sequence[str]) -> str:
    """The feature that moved: against what the others lead one to expect if that explains most, else by itself."""
    itself = alarm.detector == headline.NAME or not evidence.single
    place = int(np.abs(evidence.z if itself else evidence.adjusted).argmax())
    if alarm.detector == cusum.NAME:
        itself, place = alarm.channel == cusum.FEATURE, alarm.column
    if itself:
        return f"{names[place]} is {_higher(evidence.z[place])}"
    return f"{names[place]} is {_higher(evidence.alone[place])} than the other features lead one to expect"


def _higher(shift: float) -> str:
    return f"{abs(shift):.2g} SD {'higher' if shift > 0 else 'lower'}"


def _last(records: int) -> str:
    return "the last record" if records == 1 else f"the last {records:,} records"


def _since(alarm: Alarm, evidence: Evidence) -> str:
    """For how long; what is measured over fewer records than that says so."""
    if evidence.records >= alarm.back or not evidence.records:
        return f"for {_last(alarm.back)}"
    return f"over {_last(evidence.records)}, and began {alarm.back:,} records ago"
