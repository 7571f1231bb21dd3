"""The bench fills its report from an engine that keeps to the protocol, and says what could not be measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from bench import report as report_module
from bench.drift import delay_part, in_control_parts, label_change, peers_part, shape_part
from bench.drift.engine_access import load_engine
from bench.drift.peer_table import FAMILIES
from bench.drift.peers.kinds import PEERS
from bench.drift.peers.window_test import kolmogorov_smirnov
from bench.drift.populations import RowPopulation
from bench.drift.raisin import raisin
from bench.drift.run import QUICK, DriftRun
from bench.drift.run_length import Watcher
from bench.drift.tables import DriftReport
from bench.drift.workers import spread
from bench.peers.environment import PeerEnvironment
from core.errors import DataError, UsageError
from core.model import Floats
from streamgauge.demo.raisin_like import FEATURES, draw_rows
from trainer.table import Labels

ROWS, LABELS = draw_rows(0)
RAISIN_LIKE = RowPopulation("Raisin", FEATURES, ROWS, LABELS.astype(bool))
#: So little that a part takes a second.
LEAST = replace(
    QUICK,
    truth_alarms={10_000: 3},
    references=2,
    default_references=1,
    budgets=1,
    delay_references=1,
    delay_runs=2,
    gaussian_references=1,
    gaussian_runs=2,
    peer_references=2,
    peer_runs=1,
    peer_target_runs=2,
)


def build_watcher(
    reference: Floats, budget: float, *, known_truth: bool, ordered: bool = False, seed: int
) -> Watcher:
    """In the engine's place: a test of windows, which keeps to the protocol and is quick to build."""
    assert isinstance(known_truth, bool)
    assert isinstance(ordered, bool)
    assert seed >= 0
    return kolmogorov_smirnov(reference, 100, alpha=100.0 / budget)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("bench.drift.engine")
    module.build_watcher = build_watcher  # type: ignore[attr-defined]  # a module made here has no stub
    monkeypatch.setitem(sys.modules, "bench.drift.engine", module)
    return module


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DriftRun]:
    monkeypatch.setattr(report_module, "OUT", tmp_path)
    (tmp_path / "file").write_text("in the way of the peers' environment")
    peers = PeerEnvironment(lambda _: None, tmp_path / "file" / ".venv")
    made = DriftRun(DriftReport("drift", "command", 0), 0, LEAST, 1, tmp_path, lambda _: None, peers, quick=True)
    made.__dict__["raisin"] = RAISIN_LIKE  # in the place of the file, which is not part of the project
    yield made
    made.report.show()
    assert made.report.write().is_file()


def names(run: DriftRun) -> list[str]:
    return [result.name for result in run.report.results]


@pytest.mark.usefixtures("engine")
def test_known_truth_is_compared_with_the_budget(run: DriftRun) -> None:
    in_control_parts.known_truth(run)
    (first, *_) = run.report.results
    assert first.name.startswith("known truth, Raisin, budget 10,000: ARL0, 1 references, 3 alarms")
    assert (first.peer, first.peer_value) == ("the budget", 10_000.0)
    (off,) = (
        found for found in run.report.results if found.name == "known truth, Raisin, budget 10,000: off the budget"
    )
    assert first.value is not None
    assert off.value == pytest.approx(100 * abs(first.value / 10_000 - 1))
    assert off.target == 15.0


@pytest.mark.usefixtures("engine")
def test_the_share_of_references_that_keep_the_budget_is_reported(run: DriftRun) -> None:
    in_control_parts.estimated(run)
    (kept, *_) = run.report.results
    assert (kept.unit, kept.target) == ("% of 2 references", 90.0)
    (table,) = run.report.tables
    assert [row[:2] for row in table.rows] == [(population.name, "2") for population in run.populations]


@pytest.mark.usefixtures("engine")
def test_the_default_budget_has_rows_of_its_own(run: DriftRun) -> None:
    in_control_parts.estimated_default(run)
    (kept, *_) = run.report.results
    assert (kept.name, kept.target) == ("estimated, Raisin, budget 100,000: ARL0 >= budget", 90.0)


@pytest.mark.usefixtures("engine")
def test_each_target_of_the_delays_stands_beside_both_directions_and_both_modes(run: DriftRun) -> None:
    delay_part.measure(run)
    aimed = [result for result in run.report.results if result.target is not None]
    assert len(aimed) == 2 * 2 * len(delay_part.TARGETS)
    targets = {result.name: result.target for result in aimed}
    assert targets["delay, Raisin, estimated: all features -0.25 sd"] == 90.0
    assert targets["delay, Raisin, known truth: Extent +0.5 sd"] == 64.0
    (raisin_table, gaussian_table) = run.report.tables
    by_change = {row[0]: row for row in raisin_table.rows}
    assert by_change["all features 0.25 sd"][5] == "90 / 72"
    assert by_change["all features 0.5 sd over 200 records"][5:] == ("", "")
    assert [len(row) for row in gaussian_table.rows] == [1 + len(run.gaussians)] * 7


@pytest.mark.usefixtures("engine")
def test_without_a_label_detector_the_part_says_so_and_measures_the_rest(run: DriftRun) -> None:
    shape_part.measure(run)
    (missing,) = (result for result in run.report.results if "labels alone" in result.name)
    assert missing.value is None
    assert missing.peer is not None
    assert "build_label_watcher" in missing.peer
    assert any("sd x1.5" in name for name in names(run))


def test_a_label_detector_is_measured_on_labels_that_turn(engine: ModuleType, run: DriftRun) -> None:
    class Errors:
        """Alarms where more than a third of a hundred labels were wrong."""

        def restart(self) -> None:
            self.wrong: list[bool] = []

        def feed(self, probability: Floats, y: Labels) -> int | None:
            for index, wrong in enumerate(((probability > 0.5) != y).tolist()):
                self.wrong.append(wrong)
                if len(self.wrong) >= 100 and sum(self.wrong[-100:]) > 33:
                    return index
            return None

    def build(probability: Floats, y: Labels, budget: float, *, seed: int) -> Errors:
        assert (probability.shape, budget, seed) == (y.shape, 10_000, 0)
        return Errors()

    engine.build_label_watcher = build  # type: ignore[attr-defined]  # as above
    label_change.measure(run)
    found = {result.name.rpartition(": ")[0]: result for result in run.report.results if "delay" in result.name}
    (slow, quick) = found.values()
    assert slow.value is not None
    assert quick.value is not None
    assert quick.value < slow.value


@pytest.mark.usefixtures("engine")
def test_peers_that_cannot_run_are_said_and_the_others_stand_in_every_row(run: DriftRun) -> None:
    peers_part.measure(run)
    said = [result.peer for result in run.report.results if result.name == "peer ADWIN, clock 1: not measured"]
    assert len(said) == 1
    assert said[0] is not None
    assert said[0].startswith("not installed")
    beside = {result.peer for result in run.report.results if result.name == "side by side, Extent +0.5 sd: delay"}
    windows = {"KS, n = 100", "KS, n = 500", "mean |z|, n = 100", "mean |z|, n = 500", "mean |z|, n = 100, > .5"}
    assert beside == windows | {"always fire"}
    (side_by_side, rates, missing) = run.report.tables
    assert side_by_side.columns[2:-3] == FAMILIES
    assert [row[0] for row in side_by_side.rows] == [change.name for change in peers_part.all_changes(run.raisin)]
    assert {row[0] for row in rates.rows} == beside | {peers_part.ENGINE, peers_part.ENGINE_TUNED}
    assert {row[0] for row in missing.rows} == set(peers_part.NOT_RUN) | (set(PEERS) - beside)


def test_without_an_adapter_a_part_says_what_is_missing(run: DriftRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bench.drift.engine", None)
    with pytest.raises(UsageError, match=r"the engine's adapter cannot be loaded"):
        load_engine()
    with pytest.raises(UsageError, match=r"see bench/drift/engine\.py"):
        in_control_parts.estimated(run)


def test_raisin_is_read_from_where_the_environment_says(
    raisin_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAISIN_CSV", str(raisin_csv))
    population = raisin()
    assert (population.rows.shape, population.features) == ((900, 7), FEATURES)
    assert population.classes is not None
    assert population.classes.mean() == 0.5
    # Besni are the large ones
    assert population.rows[population.classes, 0].mean() > population.rows[~population.classes, 0].mean()
    monkeypatch.setenv("RAISIN_CSV", str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="set RAISIN_CSV to its path"):
        raisin()


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("processes", [1, 2])
def test_work_comes_back_in_the_order_of_the_tasks_whatever_the_processes(processes: int) -> None:
    assert spread(square, [3, 1, 2], processes, lambda _: None) == [9, 1, 4]
