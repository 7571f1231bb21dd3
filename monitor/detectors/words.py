"""An alarm as a sentence that a person understands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.drift.transform import LARGEST_Z, Transform
from monitor.detectors import constant, cusum, distribution, headline, prediction, spread, unusable
from monitor.detectors.base import Alarm, Evidence


def sentence(
    alarm: Alarm,
    evidence: Evidence,
    transform: Transform,
    features: Sequence[str],
    blame: Sequence[int],
    *,
    calibrated: bool = False,
) -> str:
    """What happened, how large it is, and for how long.

    ``features`` are the names of all d, ``blame`` their ranked numbers. Of a model that is ``calibrated`` the
    sentence says that its probabilities are those before calibration: predictions have others.
    """
    detector, since = alarm.detector, _since(alarm, evidence)
    names = [features[number] for number in transform.index]
    predicted = "predicted probability before calibration" if calibrated else "predicted probability"
    if detector == prediction.NAME:
        usual = transform.probability_mean
        said = f"The mean {predicted} is {evidence.probability:.2f} instead of {usual:.2f} {since}"
    elif detector == spread.NAME:
        where = "farther from" if alarm.upwards else "nearer to"
        said = f"Records lie {where} the centre of the training rows than those did, {since}"
    elif detector == distribution.NAME:
        what = {
            distribution.PROBABILITY: f"The {predicted}",
            distribution.RADIUS: "The distance of records from the centre of the training rows",
        }.get(alarm.channel) or names[alarm.column]
        said = f"{what} is distributed otherwise than in training over {_last(alarm.records)}"
    elif detector == unusable.NAME:
        what = "were rejected" if alarm.channel == unusable.REJECTED else "lacked a feature"
        said = f"{_percent(alarm.events, alarm.records)} % of {_last(alarm.records)} {what}"
    elif detector == constant.NAME:
        times = f"{alarm.events:,} of {_last(alarm.records)}"
        said = f"{features[blame[0]]} left the only value it had in training in {times}"
    elif detector == headline.NAME:
        away = f"{_size(alarm.statistic)} from those of training on average"
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


def figures(number: float, count: int = 2) -> str:
    """A number that is not negative, to so many figures, and without an exponent.

    >>> figures(0.0612), figures(7.0), figures(99.6), figures(12_345.0, 3)
    ('0.061', '7', '100', '12,300')
    """
    rounded = float(f"{number:.{count}g}")
    return f"{rounded:,.0f}" if rounded.is_integer() else f"{rounded:,.12f}".rstrip("0").rstrip(".")


def _percent(events: int, records: int) -> str:
    """Of 100 % none is missing."""
    return figures(100.0 if events == records else min(99.0, 100.0 * events / records))


def _higher(shift: float) -> str:
    which = "higher" if shift > 0 else "lower"
    return f"{which} by {_size(shift)}" if _at_limit(shift) else f"{_size(shift)} {which}"


def _size(shift: float) -> str:
    """A record counts as ``LARGEST_Z`` at most, so that a mean which comes near is at least as large."""
    return f"{figures(LARGEST_Z)} SD or more" if _at_limit(shift) else f"{figures(abs(shift))} SD"


def _at_limit(shift: float) -> bool:
    return float(f"{abs(shift):.2g}") >= LARGEST_Z


def _last(records: int) -> str:
    return "the last record" if records == 1 else f"the last {records:,} records"


def _since(alarm: Alarm, evidence: Evidence) -> str:
    """For how long. Where that is longer than what was measured the number is left to the alarm's ``records``.

    Those are counted to the first suspected record whose id is known, which may be a later one.
    """
    if evidence.records >= alarm.back or not evidence.records:
        return f"for {_last(alarm.back)}"
    return f"over {_last(evidence.records)}, and began before them"
