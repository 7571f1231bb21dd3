"""The detectors of one model, with their thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.drift import budget as shares
from core.drift.reference import DriftReference
from core.drift.statistics import SCALES
from core.drift.thresholds import ADJUSTED, FEATURE, PROBABILITY, RADIUS
from core.model import Floats
from core.profile import TrainingProfile
from monitor.detectors import constant, cusum, distribution, headline, mean_shift, prediction, spread, unusable
from monitor.detectors.base import PaneDetector, RecordDetector
from monitor.detectors.tail import PaneTail
from monitor.detectors.two_sided import Channel, TwoSided

#: Names of all detectors, in the order of the readings.
DETECTORS = (
    headline.NAME,
    mean_shift.NAME,
    cusum.NAME,
    prediction.NAME,
    spread.NAME,
    distribution.NAME,
    unusable.NAME,
    constant.NAME,
)
#: No threshold is smaller, so that a statistic of 0 never reaches one.
_LEAST_THRESHOLD = 1e-6


@dataclass(frozen=True, eq=False)
class Panel:
    """All feature detectors."""

    mean_shift: mean_shift.MeanShift  #: the first of ``record``
    record: tuple[RecordDetector, ...]
    pane: tuple[PaneDetector, ...]


def build_panel(
    profile: TrainingProfile,
    reference: DriftReference,
    budget: float,
    slide: int,
    min_records: int,
    unusable_share: float,
) -> Panel:
    """The detectors for one false alarm in ``budget`` records, over all of them, at panes of ``slide`` records."""
    width = len(reference.transform.index)
    thresholds = _thresholds(reference, shares.record_budget(budget))
    calm = np.minimum(thresholds, _thresholds(reference, shares.record_budget(shares.calm_budget(slide))))

    def channel(name: str, place: int, columns: int) -> Channel:
        return Channel(name, columns, float(thresholds[place]), float(calm[place]))

    def events(share: float) -> tuple[float, float]:
        """Thresholds of a CUSUM of events with that share, and of its calm level."""
        return shares.bernoulli_threshold(budget, share), shares.bernoulli_calm_threshold(share)

    constants = max(1, len(profile.features) - width)
    scales = len(SCALES)
    shift = mean_shift.MeanShift(width, thresholds[:scales], calm[:scales])
    return Panel(
        shift,
        (
            shift,
            TwoSided(
                (
                    cusum.Cusum(
                        (channel(cusum.FEATURE, FEATURE, width), channel(cusum.ADJUSTED, ADJUSTED, width))
                    ),
                    prediction.Prediction((channel(prediction.PROBABILITY, PROBABILITY, 1),)),
                    spread.Spread((channel(spread.RADIUS, RADIUS, 1),)),
                )
            ),
        ),
        (
            headline.Headline(profile, reference, PaneTail(budget, shares.HEADLINE_SHARE)),
            distribution.Distribution(
                len(profile.features), reference, PaneTail(budget, shares.DISTRIBUTION_SHARE)
            ),
            unusable.Unusable(
                len(profile.features), unusable_share, min_records, *events(shares.UNUSABLE_SHARE / 2)
            ),
            constant.Constant(profile, *events(shares.CONSTANT_SHARE / constants)),
        ),
    )


def _thresholds(reference: DriftReference, record_budget: float) -> Floats:
    return np.maximum(reference.thresholds.at(record_budget), _LEAST_THRESHOLD)
