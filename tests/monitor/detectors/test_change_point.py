"""Change points of the record detectors beside loops over all places."""

from __future__ import annotations

import numpy as np
import pytest

from core.drift.statistics import REFERENCE_VALUE, SCALES
from core.drift.transform import Columns
from core.model import Floats
from monitor.detectors.base import Alarm
from monitor.detectors.cusum import ADJUSTED, Cusum
from monitor.detectors.mean_shift import MeanShift
from monitor.detectors.two_sided import Channel, TwoSided

WIDTH, THRESHOLD = 3, 12.0


def columns(x: Floats) -> Columns:
    """Columns of which detectors see the same numbers everywhere, the adjusted ones with the sign turned."""
    return Columns(np.vstack([x, x[:1]]), x, x, -x, x[:1], x[:1])


def stream(seed: int, shift: float) -> Floats:
    x = np.random.default_rng(seed).normal(size=(WIDTH, 2_000))
    x[1, 400:] += shift
    return x


def first_alarm(detector: MeanShift | TwoSided, x: Floats, piece: int) -> tuple[int, Alarm]:
    """Records up to the first alarm, and the alarm, the records coming in pieces."""
    for start in range(0, x.shape[1], piece):
        part = x[:, start : start + piece]
        first = detector.examine(columns(part), 0)
        detector.examine(columns(part[:, : first + 1]), 0)
        detector.accept()
        alarm = detector.alarm()
        if alarm is not None:
            return start + first + 1, alarm
    raise AssertionError("no alarm")


def cusums(adjusted_threshold: float = 1e9, feature_threshold: float = THRESHOLD) -> TwoSided:
    channels = Channel("feature", WIDTH, feature_threshold, 1.0), Channel(ADJUSTED, WIDTH, adjusted_threshold, 1.0)
    return TwoSided([Cusum(channels)])


@pytest.mark.parametrize("piece", [1, 7, 300, 2_000])
@pytest.mark.parametrize("shift", [0.4, 0.7, -0.7])
def test_a_cusum_began_after_its_last_zero(piece: int, shift: float) -> None:
    x = stream(1, shift)
    records, alarm = first_alarm(cusums(), x, piece)
    sign = 1.0 if shift > 0 else -1.0
    height, since = 0.0, 0
    for place in range(records):
        height = max(0.0, height + sign * x[1, place] - REFERENCE_VALUE)
        since = since + 1 if height > 0 else 0
    assert (alarm.column, alarm.upwards, alarm.channel) == (1, shift > 0, "feature")
    assert alarm.back == since
    assert alarm.statistic == pytest.approx(height, abs=1e-3)
    assert alarm.statistic >= THRESHOLD > height - 5.0


def test_the_channel_that_is_farthest_beyond_its_threshold_speaks() -> None:
    _, alarm = first_alarm(cusums(adjusted_threshold=6.0), stream(1, 0.7), 100)
    assert (alarm.channel, alarm.threshold, alarm.upwards, alarm.column) == (ADJUSTED, 6.0, False, 1)


@pytest.mark.parametrize("piece", [1, 7, 300, 2_000])
@pytest.mark.parametrize("shift", [0.7, -1.5])
def test_a_mean_shift_began_where_the_likelihood_is_largest(piece: int, shift: float) -> None:
    x = stream(2, shift)
    thresholds = np.full(len(SCALES), 30.0)
    records, alarm = first_alarm(MeanShift(WIDTH, thresholds, thresholds), x, piece)
    likelihood = {
        back: (x[:, records - back : records].sum(axis=1) ** 2).sum() / back for back in range(1, max(SCALES) + 1)
    }
    assert alarm.back == max(likelihood, key=likelihood.__getitem__)
    statistics = {scale: likelihood[scale] for scale in SCALES if scale <= records}
    best = max(statistics, key=statistics.__getitem__)
    assert alarm.channel == f"mean_shift_{best}"
    assert alarm.statistic == pytest.approx(statistics[best], rel=1e-4)
    assert alarm.back not in SCALES or alarm.statistic == pytest.approx(max(likelihood.values()), rel=1e-4)


@pytest.mark.parametrize("piece", [1, 90, 2_000])
def test_the_longest_scale_sees_all_of_its_records(piece: int) -> None:
    x = np.zeros((WIDTH, 900))
    x[:, 500:] = 0.5
    thresholds = np.full(len(SCALES), 1e9)
    thresholds[-1] = 0.75 * max(SCALES) - 0.01  # reached when all of the last 200 are shifted
    records, alarm = first_alarm(MeanShift(WIDTH, thresholds, thresholds), x, piece)
    assert (records, alarm.back, alarm.channel) == (700, 200, "mean_shift_200")


def test_the_mean_of_the_last_records_is_theirs() -> None:
    x = stream(3, 0.0)[:, :500]
    detector = MeanShift(WIDTH, np.full(len(SCALES), 1e9), np.full(len(SCALES), 1e9))
    assert detector.mean(7).tolist() == [0.0] * WIDTH
    for piece in (x[:, :50], x[:, 50:]):
        detector.examine(columns(piece), 0)
        detector.accept()
        for count in (1, 7, 50):
            assert detector.mean(count) == pytest.approx(piece[:, -count:].mean(axis=1), abs=1e-5)
    assert detector.mean(10_000) == pytest.approx(x[:, -max(SCALES) :].mean(axis=1), abs=1e-5)


def test_long_excursions_are_counted_over_pieces() -> None:
    """A CUSUM that stays above 0 for far longer than the part of a piece that is searched first."""
    x = np.full((WIDTH, 1_500), 0.26)
    x[:, :100] = 0.0
    records, alarm = first_alarm(cusums(feature_threshold=13.0), x, 500)
    assert records == 100 + alarm.back
    assert alarm.back == pytest.approx(1_300, abs=1)
