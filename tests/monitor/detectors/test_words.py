from __future__ import annotations

import numpy as np
import pytest

from core.drift.transform import LARGEST_Z
from core.model import Floats
from monitor.detectors.base import Alarm
from monitor.detectors.recent import KEPT_RECORDS, RecentRecords
from monitor.detectors.words import figures, sentence
from tests.monitor.detectors.alone import FEATURES, draw, model_file, probability

TRANSFORM = model_file().drift.transform


def said(alarm: Alarm, x: Floats, blame: tuple[int, ...] = (0, 1, 2, 3), *, calibrated: bool = False) -> str:
    recent = RecentRecords(TRANSFORM)
    columns = TRANSFORM.columns(x, probability(x))
    recent.add(columns.standardised)
    evidence = recent.evidence(alarm.back, columns.whitened[:, -alarm.back :].mean(axis=1))
    return sentence(alarm, evidence, TRANSFORM, FEATURES, blame, calibrated=calibrated)


def shifted(*shift: float, n: int = 300) -> Floats:
    x: Floats = draw(np.random.default_rng(11), n) + np.array(shift)
    return x


def test_a_shift_of_all_features_is_told_by_the_one_that_moved_most() -> None:
    words = said(Alarm("mean_shift", "mean_shift_50", 60.0, 40.0, back=50), shifted(1.0, 1.0, -2.0, 0.0))
    assert words.startswith("roundness is ")
    assert words.endswith(" SD lower for the last 50 records.")
    assert 1.5 < float(words.split()[2]) < 2.5


def test_a_shift_against_the_other_features_is_told_against_them() -> None:
    words = said(Alarm("mean_shift", "mean_shift_100", 60.0, 40.0, back=100), shifted(0.0, -0.4, 0.0, 0.0))
    assert words.startswith("width is ")
    assert words.endswith(" SD lower than the other features lead one to expect for the last 100 records.")
    assert float(words.split()[2]) == pytest.approx(0.4, abs=0.15)


def test_what_is_measured_over_fewer_records_than_it_lasts_says_so() -> None:
    words = said(Alarm("cusum", "feature", 60.0, 40.0, back=1_200, column=2), shifted(0.0, 0.0, 0.3, 0.0))
    assert words.startswith("roundness is ")
    assert words.endswith(" SD higher over the last 200 records, and began before them.")


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (
            Alarm("spread", "radius", 9.0, 8.0, back=1),
            "Records lie farther from the centre of the training rows than those did, for the last record.",
        ),
        (
            Alarm("spread", "radius", 9.0, 8.0, back=7, upwards=False),
            "Records lie nearer to the centre of the training rows than those did, for the last 7 records.",
        ),
        (
            Alarm("distribution", "feature", 9.0, 8.0, back=500, column=1, records=500),
            "width is distributed otherwise than in training over the last 500 records.",
        ),
        (
            Alarm("distribution", "probability", 9.0, 8.0, back=500, column=3, records=500),
            "The predicted probability is distributed otherwise than in training over the last 500 records.",
        ),
        (
            Alarm("distribution", "radius", 9.0, 8.0, back=500, column=4, records=500),
            (
                "The distance of records from the centre of the training rows is distributed otherwise than in "
                "training over the last 500 records."
            ),
        ),
        (
            Alarm("unusable", "rejected", 9.0, 8.0, back=93, events=7, records=100),
            "7 % of the last 100 records were rejected.",
        ),
        (
            Alarm("unusable", "missing", 9.0, 8.0, back=1_900, events=123, records=2_023),
            "6.1 % of the last 2,023 records lacked a feature.",
        ),
        (
            Alarm("constant", "departures", 9.0, 8.0, back=100, events=7, records=100),
            "flag left the only value it had in training in 7 of the last 100 records.",
        ),
    ],
)
def test_each_detector_has_its_sentence(alarm: Alarm, words: str) -> None:
    assert said(alarm, shifted(0.0, 0.0, 0.0, 0.0), blame=(3, 0, 1, 2)) == words


def test_a_prediction_is_told_as_probabilities() -> None:
    words = said(Alarm("prediction", "probability", 9.0, 8.0, back=200), shifted(3.0, 3.0, 3.0, 0.0))
    x = shifted(3.0, 3.0, 3.0, 0.0)[-200:]
    mean, usual = probability(x).mean(), TRANSFORM.probability_mean
    assert (
        words == f"The mean predicted probability is {mean:.2f} instead of {usual:.2f} for the last 200 records."
    )


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (
            Alarm("prediction", "probability", 9.0, 8.0, back=200),
            "The mean predicted probability before calibration is ",
        ),
        (
            Alarm("distribution", "probability", 9.0, 8.0, back=500, column=3, records=500),
            "The predicted probability before calibration is distributed otherwise than in training over ",
        ),
    ],
)
def test_of_a_calibrated_model_the_sentence_says_that_its_probabilities_are_those_before(
    alarm: Alarm, words: str
) -> None:
    rows = shifted(3.0, 3.0, 3.0, 0.0)
    told = said(alarm, rows, calibrated=True)
    assert told.startswith(words)
    assert told.replace(" before calibration", "") == said(alarm, rows)


@pytest.mark.parametrize(
    ("events", "records", "percent"),
    [(300, 300, "100"), (299, 300, "99"), (1, 3, "33"), (1, 100_000, "0.001"), (3, 40, "7.5")],
)
def test_a_share_has_no_exponent_and_is_100_percent_only_without_an_exception(
    events: int, records: int, percent: str
) -> None:
    alarm = Alarm("unusable", "rejected", 9.0, 8.0, back=1, events=events, records=records)
    words = said(alarm, shifted(0.0, 0.0, 0.0, 0.0))
    assert words == f"{percent} % of the last {records:,} records were rejected."


def test_a_shift_at_the_limit_of_what_a_record_counts_is_at_least_as_large() -> None:
    far = shifted(0.0, 0.0, -1e5, 0.0)
    moved = said(Alarm("mean_shift", "mean_shift_50", 60.0, 40.0, back=50), far)
    assert moved == "roundness is lower by 10 SD or more for the last 50 records."
    alarm = Alarm("mean_abs_z", "mean_abs_z", LARGEST_Z, 0.2, back=150, records=500)
    assert "are 10 SD or more from those of training on average; round" in said(alarm, far)
    near = said(Alarm("mean_shift", "mean_shift_50", 60.0, 40.0, back=50), shifted(0.0, 0.0, -8.0, 0.0))
    assert "or more" not in near


def test_figures_have_separators_and_no_exponent() -> None:
    numbers = (0.0, 0.00001234, 0.5, 9.96, 99.6, 1_234.5, 12_345.0, 1e6)
    shown = ["0", "0.000012", "0.5", "10", "100", "1,200", "12,000", "1,000,000"]
    assert [figures(number) for number in numbers] == shown
    assert figures(12_345.0, 3) == "12,300"


def test_the_headline_names_the_score_and_the_feature() -> None:
    words = said(
        Alarm("mean_abs_z", "mean_abs_z", 0.6123, 0.2, back=150, records=500), shifted(0.0, 0.0, 1.0, 0.0)
    )
    assert words.startswith(
        "The means of the last 500 records are 0.61 SD from those of training on average; round"
    )
    assert words.endswith(" SD higher for the last 150 records.")


def test_recent_records_are_the_last_ones_however_they_came() -> None:
    z = np.random.default_rng(0).normal(size=(4, 1_000))
    whole, split = RecentRecords(TRANSFORM), RecentRecords(TRANSFORM)
    whole.add(z)
    for start, stop in ((0, 150), (150, 151), (151, 700), (700, 880), (880, 1_000)):
        split.add(z[:, start:stop])
    assert split.state() == whole.state()
    evidence = split.evidence(10_000, np.zeros(3))
    assert evidence.records == KEPT_RECORDS
    assert evidence.z == pytest.approx(z[:3, -KEPT_RECORDS:].mean(axis=1), abs=1e-6)
    assert split.evidence(3, np.zeros(3)).z == pytest.approx(z[:3, -3:].mean(axis=1), abs=1e-6)


def test_without_a_record_there_is_nothing_to_tell_and_nothing_fails() -> None:
    evidence = RecentRecords(TRANSFORM).evidence(5, np.zeros(3))
    assert evidence.records == 0
    assert evidence.z.tolist() == [0.0, 0.0, 0.0]
