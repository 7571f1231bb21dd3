from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.drift.budget import CALM_TAIL
from core.drift_null import TAILS
from core.model import Floats
from core.profile import TrainingProfile, profile_rows
from monitor.detectors.headline import Headline, quantile, threshold
from monitor.detectors.tail import PaneTail
from monitor.pane import PaneAccumulator, Window
from tests.monitor.detectors.alone import draw, model_file, probability

FILE = model_file()
PROFILE: TrainingProfile = FILE.profile


def window(x: Floats, slide: int = 1_000) -> Window:
    pane = PaneAccumulator(PROFILE, FILE.drift.bins, slide)
    pane.add(FILE.drift.transform.columns(x, probability(x)), x, probability(x))
    closed, marks = pane.close(0, 0)
    return Window([closed], marks, pane.apart, True, True)


def test_stored_tails_have_their_stored_quantiles() -> None:
    for tail, stored in zip(TAILS, PROFILE.null_quantiles, strict=True):
        assert quantile(PROFILE, float(tail)) == pytest.approx(stored)


def test_rarer_tails_go_on_beyond_the_last_stored_one() -> None:
    """|Z| of one feature has the normal quantile 4.89 at 1e-6, which the line must not fall below."""
    rows = np.random.default_rng(0).normal(size=(300, 1))
    one = profile_rows(rows, ("a",), 0)
    assert quantile(one, 1e-4) == pytest.approx(3.89, abs=0.1)
    assert quantile(one, 1e-5) > quantile(one, 1e-4)
    assert 4.89 < quantile(one, 1e-6) < 6.0


def test_ninety_five_of_a_hundred_references_keep_the_tail() -> None:
    """Windows from the truth, against references that are draws of it: how often each one is exceeded."""
    n, rows, tail, references, windows = 200, 300, 0.02, 100, 800
    generator = np.random.default_rng(1)
    kept = 0
    for number in range(references):
        profile = profile_rows(generator.normal(size=(rows, 1)), ("a",), number)
        means = generator.normal(size=windows) / np.sqrt(n)
        scores = np.abs((means - profile.mean) / profile.standard_deviation)
        kept += (scores > threshold(profile, n, tail)).mean() <= tail + 2 * np.sqrt(tail / windows)
    assert kept >= 0.93 * references


def test_where_the_reference_is_the_truth_nothing_is_added_for_its_chance() -> None:
    known = threshold(PROFILE, 100, 0.01, known_truth=True)
    assert known == pytest.approx(quantile(PROFILE, 0.01) / 10.0)
    assert threshold(PROFILE, 100, 0.01) > known


def test_autocorrelated_training_raises_the_threshold() -> None:
    tail = PaneTail(10_000.0, 0.03)
    x = draw(np.random.default_rng(2), 500)
    plain = Headline(PROFILE, FILE.drift, tail).judge(window(x)).reading
    transform = replace(FILE.drift.transform, autocorrelation=np.array([0.8, 0.0, 0.0, 0.0]))
    ordered = Headline(PROFILE, replace(FILE.drift, transform=transform), tail).judge(window(x)).reading
    assert ordered.threshold == pytest.approx(3.0 * plain.threshold)  # sqrt((1 + .8) / (1 - .8))


def test_about_a_fifth_of_quiet_windows_is_not_calm_where_the_truth_is_known() -> None:
    detector = Headline(PROFILE, replace(FILE.drift, known_truth=True), PaneTail(10_000.0, 0.03))
    x = draw(np.random.default_rng(7), 500)  # the reference's own rows
    generator = np.random.default_rng(4)
    quiet = [detector.judge(window(x[generator.integers(0, 500, 200)])).reading.calm for _ in range(500)]
    assert 1.0 - np.mean(quiet) == pytest.approx(CALM_TAIL, abs=0.06)


def test_the_change_point_lies_in_the_window() -> None:
    x = draw(np.random.default_rng(3), 1_000)
    x[600:, :3] += 1.0
    alarm = Headline(PROFILE, FILE.drift, PaneTail(10_000.0, 0.03)).judge(window(x)).alarm
    assert alarm is not None
    assert alarm.back == pytest.approx(400, abs=63)  # marks are 63 records apart
