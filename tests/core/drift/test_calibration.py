"""The calibration in a short form; ``make bench-drift`` measures it at length."""

import numpy as np
import pytest

from core.drift.calibration import ANCHORS, Calibration, calibrate
from core.drift.maxima import BLOCK_RECORDS, BlockMaxima, resampled, stream_maxima
from core.drift.reference_rows import ReferenceRows
from core.drift.statistics import REFERENCE_VALUE, SCALES, TICK
from core.drift.thresholds import ADJUSTED, CHANNELS, FEATURE, PROBABILITY, RADIUS
from core.drift.transform import Columns
from core.model import Floats

#: Blocks of simulation a pseudo-reference: a fifth of a second for three features.
_BLOCKS = 60


def rows_of(count: int, seed: int, width: int = 3) -> ReferenceRows:
    """Normal rows, one direction of them wide."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, width)) + generator.normal(size=(count, 1))
    return ReferenceRows(x, 1.0 / (1.0 + np.exp(-x[:, 0])), np.arange(width))


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(rows_of(500, 0), 0, blocks=_BLOCKS)


def naive_maxima(columns: Columns) -> Floats:
    """(channels,) the largest of each statistic over a short stream, written out record by record."""
    n = columns.whitened.shape[1]
    found = np.zeros(len(CHANNELS))
    for place, scale in enumerate(SCALES):
        for end in range(scale, n + 1):
            total = columns.whitened[:, end - scale : end].sum(axis=1)
            found[place] = max(found[place], float(total @ total) / scale)
    channels = {
        FEATURE: columns.feature,
        ADJUSTED: columns.adjusted,
        PROBABILITY: columns.probability,
        RADIUS: columns.radius,
    }
    for channel, values in channels.items():
        for column in values:
            for sign in (1.0, -1.0):
                height = 0.0
                for value in column:
                    height = max(0.0, height + sign * value - REFERENCE_VALUE)
                    found[channel] = max(found[channel], height)
    return found


def test_block_maxima_are_those_of_the_statistics_written_out() -> None:
    rows = rows_of(400, 1)
    transform, _ = rows.fit()
    columns = next(resampled(transform.columns(rows.x, rows.probability), 1, np.random.default_rng(2)))
    first = Columns(*(getattr(columns, name)[:, :BLOCK_RECORDS] for name in Columns.__dataclass_fields__))
    assert np.allclose(BlockMaxima(3).add(first)[0], naive_maxima(first), atol=BLOCK_RECORDS * TICK * 10)


def test_maxima_do_not_depend_on_the_parts_of_the_stream() -> None:
    rows = rows_of(400, 1)
    transform, _ = rows.fit()
    parts = list(resampled(transform.columns(rows.x, rows.probability), 7, np.random.default_rng(2)))
    whole = Columns(*(np.hstack([getattr(part, name) for part in parts]) for name in Columns.__dataclass_fields__))
    assert np.array_equal(stream_maxima(iter(parts), 3), stream_maxima(iter([whole]), 3))


def test_equal_rows_and_seed_give_equal_thresholds(calibration: Calibration) -> None:
    again = calibrate(rows_of(500, 0), 0, blocks=_BLOCKS)
    assert np.array_equal(again.thresholds.intercept, calibration.thresholds.intercept)
    assert np.array_equal(again.thresholds.slope, calibration.thresholds.slope)
    other = calibrate(rows_of(500, 0), 1, blocks=_BLOCKS)
    assert not np.array_equal(other.thresholds.slope, calibration.thresholds.slope)


def test_a_larger_budget_never_lowers_a_threshold(calibration: Calibration) -> None:
    assert (calibration.thresholds.slope > 0).all()
    assert (calibration.thresholds.at(1e6) > calibration.thresholds.at(1e4)).all()


def test_an_estimated_reference_costs_higher_thresholds_and_more_rows_buy_them_back(
    calibration: Calibration,
) -> None:
    rows = rows_of(500, 0)
    known = calibrate(rows, 0, known_truth=True, blocks=_BLOCKS)
    more = calibrate(rows, 0, rows=8_000, blocks=_BLOCKS)
    levels = [found.thresholds.at(ANCHORS[0]).mean() for found in (known, more, calibration)]
    assert levels[0] < levels[1] < levels[2]


def test_a_typical_reference_runs_longer_than_the_budget(calibration: Calibration) -> None:
    assert np.median(calibration.run_lengths) > ANCHORS[1]


@pytest.mark.parametrize("width", [1, 50])
def test_one_feature_and_fifty_are_calibrated(width: int) -> None:
    found = calibrate(rows_of(300, 3, width), 0, blocks=_BLOCKS)
    assert np.isfinite(found.thresholds.at(10_000.0)).all()
    assert (found.thresholds.at(10_000.0) > 0).all()


def test_autocorrelated_rows_are_calibrated_by_their_innovations() -> None:
    noise = np.random.default_rng(4).normal(size=(720, 3))
    x = np.zeros((721, 3))
    for row in range(720):
        x[row + 1] = 0.8 * x[row] + noise[row]
    half = np.full(720, 0.5)
    before = np.column_stack([x[:-1], half])
    rows = ReferenceRows(x[1:], half, np.arange(3), np.array([0.8, 0.8, 0.8, 0.0]), before)
    dependent = calibrate(rows, 0, known_truth=True, blocks=320).thresholds.at(10_000.0)
    independent = calibrate(ReferenceRows(noise, half, np.arange(3)), 0, known_truth=True, blocks=320)
    # innovations are independent, so that the thresholds are as for those rows themselves, the tails too
    assert np.allclose(dependent[:FEATURE], independent.thresholds.at(10_000.0)[:FEATURE], rtol=0.08)
