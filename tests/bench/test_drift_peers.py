"""Peers that run here are the tests that they claim to be; the knob of each is brought to the rate asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.drift.peers import processes
from bench.drift.peers.always_fire import AlwaysFire
from bench.drift.peers.job import Job, Outcome, read_population, write_population
from bench.drift.peers.kinds import PEERS
from bench.drift.peers.measurement import measure_peer
from bench.drift.peers.processes import Unmeasured, measure_all
from bench.drift.peers.tuning import tune
from bench.drift.peers.window_test import WindowTest, distances, kolmogorov_smirnov, mean_abs_z
from bench.drift.populations import GaussianPopulation, RowPopulation
from bench.drift.run_length import RunLengths, in_control_run_length
from bench.peers.environment import PeerEnvironment
from core.model import Floats
from streamgauge.demo.raisin_like import FEATURES, draw_rows

ROWS, LABELS = draw_rows(0)
RAISIN_LIKE = RowPopulation("Raisin-like", FEATURES, ROWS, LABELS.astype(bool))
#: A peer of one thousand records an alarm over few references: it takes a second.
JOB = Job("KS, n = 100", 0, target_records=1_000.0, target_runs=100, references=2, runs=3, cap_records=2_000)


def step(sample: Floats, at: float) -> float:
    """The empirical distribution function, by its definition."""
    return float((sample <= at).mean())


@pytest.mark.parametrize("decimals", [1, 8], ids=["many ties", "no ties"])
def test_the_distance_is_the_largest_difference_of_the_two_step_functions(decimals: int) -> None:
    generator = np.random.default_rng(0)
    reference = generator.normal(size=(37, 2)).round(decimals)
    windows = generator.normal(0.3, 1.0, (5, 20, 2)).round(decimals)
    found = distances(np.sort(reference, axis=0), windows)
    for number, window in enumerate(windows):
        for feature in range(2):
            ours, theirs = window[:, feature], reference[:, feature]
            points = np.concatenate([ours, theirs])
            expected = max(abs(step(ours, at) - step(theirs, at)) for at in points)
            assert found[number, feature] == pytest.approx(expected)


def test_windows_alarm_at_their_last_record_however_the_stream_is_cut() -> None:
    x = np.zeros((1_000, 1))
    x[430:] = 9.0
    for cut in (1, 7, 99, 100, 250, 1_000):
        watcher = WindowTest("", 100, lambda windows: windows.mean(axis=(1, 2)) > 8.0)
        seen = 0
        for start in range(0, len(x), cut):
            index = watcher.feed(x[start : start + cut])
            if index is not None:
                break
            seen += len(x[start : start + cut])
        assert index is not None
        assert seen + index == 599


def test_a_restart_begins_a_window() -> None:
    watcher = WindowTest("", 10, lambda windows: windows[:, 0, 0] > 0)
    assert watcher.feed(np.zeros((5, 1))) is None
    watcher.restart()
    assert watcher.feed(np.ones((12, 1))) == 9


def test_kolmogorov_smirnov_alarms_no_more_often_than_its_alpha_says() -> None:
    population = GaussianPopulation(5, 0.0)
    generator = np.random.default_rng(1)
    windows = 0
    alarms = 0
    for _ in range(20):
        watcher = kolmogorov_smirnov(population.source(generator).take(720), 100, alpha=0.1)
        found = in_control_run_length(watcher, population.source(generator), 10**6, 20_000)
        windows, alarms = windows + 200, alarms + found.alarms
    assert 0.03 < alarms / windows < 0.1 + 4 * np.sqrt(0.1 * 0.9 / windows)


def test_mean_abs_z_is_the_mean_over_features_of_the_shift_in_standard_deviations() -> None:
    reference = np.array([[0.0, 0.0], [2.0, 20.0]])  # means 1 and 10, deviations 1 and 10
    window = np.tile([1.5, 20.0], (4, 1))  # z of .5 and 1
    for threshold, alarm in ((0.74, 3), (0.76, None)):
        assert mean_abs_z(reference, 4, threshold).feed(window) == alarm


def test_always_fire_has_the_run_length_asked_for_and_never_looks() -> None:
    watcher = AlwaysFire(200.0, np.random.default_rng(0))

    class Nothing:
        def take(self, count: int) -> Floats:
            return np.full((count, 1), np.nan)

    found = in_control_run_length(watcher, Nothing(), alarms=1_000, max_records=10**7)
    assert abs(found.mean - 200.0) < 4 * found.standard_error


@pytest.mark.parametrize(("low", "high"), [(1e4, 1.0), (1e-4, 1.0)], ids=["falling", "rising"])
def test_a_knob_is_brought_to_the_target_in_either_direction(low: float, high: float) -> None:
    def measure(knob: float, records: int) -> RunLengths:
        run_length = knob**2 if low > high else 10.0 / knob
        alarms = int(records / run_length)
        return RunLengths(np.zeros(alarms, dtype=np.int64), records)

    found = tune(measure, low, high, target_records=1_000.0)
    assert found.within_tolerance
    assert found.in_control.mean == pytest.approx(1_000.0, rel=0.1)


def test_a_knob_that_cannot_reach_the_target_says_so_and_is_the_nearest_tried() -> None:
    def measure(knob: float, records: int) -> RunLengths:
        alarms = int(records / (50.0 / knob))  # at most one in 50 at the loud end
        return RunLengths(np.zeros(alarms, dtype=np.int64), records)

    found = tune(measure, 1e-6, 1.0, target_records=20.0)
    assert not found.within_tolerance
    assert found.knob > 0.9


def test_a_peer_is_tuned_and_measured_and_equal_jobs_give_equal_figures() -> None:
    first, again = (measure_peer(JOB, RAISIN_LIKE) for _ in range(2))
    assert first.tuned
    assert first.in_control.mean == pytest.approx(1_000.0, rel=0.1)
    assert first.delays["all features x1.25"].mean <= 200
    for name, found in first.delays.items():
        np.testing.assert_array_equal(found.records, again.delays[name].records)
        assert len(found.records) + found.false_alarms == 2 * 3


def test_a_process_answers_what_a_call_does(tmp_path: Path) -> None:
    job = Job("mean |z|, n = 100, > .5", 0, 1_000.0, 20, 1, 2, 1_000)
    peers = PeerEnvironment(lambda _: None, tmp_path / "unused")
    said: list[str] = []
    (found,) = measure_all([job], RAISIN_LIKE, tmp_path, peers, 1, said.append)
    expected = measure_peer(job, RAISIN_LIKE)
    assert isinstance(found, Outcome)
    assert found.in_control.lengths.tolist() == expected.in_control.lengths.tolist()
    assert list(found.delays) == list(expected.delays)
    assert found.knob == expected.knob == 0.5
    assert any("all features x1.25" in line for line in said)


def test_a_process_that_fails_says_its_last_words(tmp_path: Path) -> None:
    job = Job("mean |z|, n = 100, > .5", -1, 1_000.0, 20, 1, 2, 1_000)  # no generator takes a negative seed
    peers = PeerEnvironment(lambda _: None, tmp_path / "unused")
    (found,) = measure_all([job], RAISIN_LIKE, tmp_path, peers, 1, lambda _: None)
    assert isinstance(found, Unmeasured)
    assert "ValueError" in found.reason


def test_without_the_peers_environment_its_peers_say_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    peers = PeerEnvironment(lambda _: None, tmp_path / "file" / ".venv")
    job = Job("ADWIN, clock 32", 0, 1_000.0, 20, 1, 2, 1_000)
    (found,) = processes.measure_all([job], RAISIN_LIKE, tmp_path, peers, 1, lambda _: None)
    assert isinstance(found, Unmeasured)
    assert found.reason.startswith("not installed: ")


def test_an_outcome_and_a_population_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_population(tmp_path / "population.npz", RAISIN_LIKE)
    read = read_population(tmp_path / "population.npz")
    np.testing.assert_array_equal(read.rows, RAISIN_LIKE.rows)
    assert (read.name, read.features) == (RAISIN_LIKE.name, RAISIN_LIKE.features)
    assert read.classes is not None
    np.testing.assert_array_equal(read.classes, LABELS.astype(bool))
    JOB.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == JOB


def test_every_peer_has_a_range_and_a_fixed_one_has_a_value() -> None:
    assert {name for name, peer in PEERS.items() if peer.fixed} == {"mean |z|, n = 100, > .5"}
    assert all(peer.quiet > 0 and peer.loud > 0 for peer in PEERS.values())
