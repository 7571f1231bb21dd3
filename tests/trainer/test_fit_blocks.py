"""A fit over blocks, against the fit of the same rows in memory."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.miniflow import MiniFlow
from core.model import Floats, LogisticModel
from core.model_file import read_model_file
from core.schema import Schema
from trainer.block_figures import training_figures
from trainer.block_parts import BlockParts, Part, TrainingBlocks, with_row_before
from trainer.block_reading import read_blocks
from trainer.csv_blocks import csv_blocks
from trainer.decision import Choices
from trainer.evaluation import Evaluation
from trainer.fit import fit
from trainer.fit_blocks import fit_blocks
from trainer.run_log import log_run
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.block_newton import BlockNewton
from trainer.solvers.blocks import solve_blocks
from trainer.solvers.newton import Newton
from trainer.solvers.objective import Block
from trainer.split import Split
from trainer.table import Labels, Table, read_table

FEATURES = ("a", "b", "same", "c")


@dataclass(frozen=True, eq=False)
class Rows:
    """A block source over rows in memory."""

    x: Floats
    y: Labels
    size: int = 250
    weights: Floats | None = None
    features: tuple[str, ...] = FEATURES
    classes: tuple[str, str] = ("no", "yes")
    csv_sha256: str | None = None

    @property
    def rows(self) -> int:
        return len(self.y)

    @property
    def table(self) -> Table:
        return Table(self.features, self.x, self.y, self.classes)

    def with_before(self) -> Iterator[tuple[Block, Floats]]:
        return with_row_before(self)

    def __iter__(self) -> Iterator[Block]:
        for start in range(0, len(self.y), self.size):
            piece = slice(start, start + self.size)
            yield Block(self.x[piece], self.y[piece], None if self.weights is None else self.weights[piece])


def draw(n: int = 2000, size: int = 250, seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    x = np.column_stack(
        [generator.normal(50.0, 4.0, n), generator.normal(size=n), np.full(n, 0.1), generator.gamma(2.0, size=n)]
    )
    y = ((x[:, 0] - 50.0) / 4.0 + x[:, 1] + generator.logistic(size=n) > 0.5).astype(np.uint8)
    return Rows(x, y, size)


def numbers_of(source: Rows, seed: int, part: Part, *, calibrates: bool, by_time: bool = False) -> list[int]:
    parts = BlockParts.of(source.rows, seed, calibrates=calibrates, by_time=by_time)
    return [int(n) for block in parts.shared_out(source) for n in block.numbers[block.part == part]]


@pytest.mark.parametrize("balanced", [False, True])
def test_it_is_the_model_of_the_same_rows_in_memory(balanced: bool) -> None:
    source = draw()
    found = fit_blocks(source, seed=3, balanced=balanced)
    train = np.setdiff1d(np.arange(source.rows), found.holdout_rows)
    solver = BalancedClasses(Newton()) if balanced else Newton()
    whole = fit(source.table, seed=3, split=Split(train, found.holdout_rows), solver=solver)
    ours, theirs = found.file, whole.file
    np.testing.assert_allclose(ours.model.coefficients, theirs.model.coefficients, rtol=0, atol=1e-10)
    assert ours.model.intercept == pytest.approx(theirs.model.intercept, abs=1e-10)
    np.testing.assert_allclose(ours.profile.mean, theirs.profile.mean, rtol=1e-12)
    np.testing.assert_allclose(ours.profile.correlation, theirs.profile.correlation, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.profile.null_quantiles, theirs.profile.null_quantiles, rtol=1e-9)
    assert (ours.profile.rows, ours.drift.rows) == (theirs.profile.rows, theirs.drift.rows) == (len(train),) * 2
    np.testing.assert_allclose(ours.drift.transform.mean, theirs.drift.transform.mean, rtol=1e-12)
    np.testing.assert_allclose(ours.concept.values, theirs.concept.values, rtol=1e-6)
    assert found.data == whole.data
    assert found.holdout.encoded == whole.holdout.encoded
    assert found.train.rows == len(train)
    for part in ("train", "validation"):
        assert getattr(found, part).log_loss == pytest.approx(getattr(whole, part).log_loss, abs=1e-12)
        assert getattr(found, part).auc == pytest.approx(getattr(whole, part).auc, abs=1e-12)
    assert [finding.symptom for finding in found.findings] == [finding.symptom for finding in whole.findings]
    assert found.solution.epoch.train_loss == pytest.approx(whole.solution.epoch.train_loss, abs=1e-10)
    assert found.solution.converged


def test_rows_that_depend_on_the_row_before_are_found_so_in_both() -> None:
    source = draw(n=3000, seed=4)
    noise = np.random.default_rng(5).normal(size=3000)
    for row in range(1, 3000):
        noise[row] += 0.7 * noise[row - 1]
    source.x[:, 1] = noise
    found = fit_blocks(source, seed=3)
    train = np.setdiff1d(np.arange(source.rows), found.holdout_rows)
    whole = fit(source.table, seed=3, split=Split(train, found.holdout_rows))
    ours, theirs = found.file.drift, whole.file.drift
    assert ours.dependence > 2.0
    assert ours.dependence == pytest.approx(theirs.dependence, rel=1e-9)


def test_equal_rows_and_seed_give_equal_bytes() -> None:
    one, two = (fit_blocks(draw(), seed=1, choices=Choices("platt")).file.encoded for _ in range(2))
    assert one == two


def test_no_row_is_for_two_things_whatever_the_blocks() -> None:
    parts = {part: numbers_of(draw(), 5, part, calibrates=True) for part in Part}
    assert sorted(itertools.chain(*parts.values())) == list(range(2000))
    assert all(numbers_of(draw(size=77), 5, part, calibrates=True) == parts[part] for part in Part)
    found = fit_blocks(draw(size=77), seed=5, choices=Choices("platt"))
    assert found.holdout_rows.tolist() == parts[Part.JUDGE]
    assert found.train.rows == len(parts[Part.TRAIN])
    assert found.out_of_sample is not None
    np.testing.assert_array_equal(found.out_of_sample.y, draw().y[parts[Part.CALIBRATE]])
    assert found.decision.calibration.chosen == "platt"


def test_without_anything_to_choose_no_row_is_kept_for_it() -> None:
    assert numbers_of(draw(), 5, Part.CALIBRATE, calibrates=False) == []
    assert fit_blocks(draw(), seed=5).out_of_sample is None


def test_in_time_the_newest_rows_judge_and_those_before_calibrate() -> None:
    found = fit_blocks(draw(), seed=0, by_time=True, choices=Choices("platt"))
    assert found.holdout_rows.tolist() == list(range(1600, 2000))
    assert numbers_of(draw(), 0, Part.CALIBRATE, calibrates=True, by_time=True) == list(range(1200, 1600))


def test_few_of_many_rows_are_kept_from_training() -> None:
    parts = BlockParts.of(10_000_000, 0, calibrates=True, by_time=False)
    assert parts.judging * 10_000_000 == pytest.approx(50_000)
    assert parts.calibrating * 10_000_000 == pytest.approx(20_000)


def test_a_feature_of_one_row_is_in_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.block_parts.MAX_ROWS", 200)
    source = draw()
    source.x[:, 3] = 0.0
    parts = BlockParts.of(source.rows, 0, calibrates=False, by_time=False)
    rare = next(
        int(block.numbers[row])
        for block in parts.shared_out(source)
        for row in np.flatnonzero((block.part == Part.TRAIN) & (block.draw > 0.9) & (block.numbers > 777))
    )
    source.x[rare, 3] = 1.0
    found = fit_blocks(source, seed=0)
    assert found.file.profile.varies.tolist() == [True, True, False, True]
    assert 150 <= found.file.drift.rows <= 250
    assert 0.02 < found.file.drift.transform.standard_deviation[2] < 0.1  # 1 stands for a column that never varies
    assert read_model_file(found.file.encoded).model.coefficients[3] == found.file.model.coefficients[3] != 0.0


def test_the_run_of_a_csv_file_is_whole(tmp_path: Path, raisin_csv: Path) -> None:
    source = csv_blocks(raisin_csv, "Class", "Besni", 100)
    fitted = fit_blocks(source, seed=0, choices=Choices("auto"), ordered=False)
    miniflow = MiniFlow(tmp_path, "default")
    run = log_run(miniflow, fitted, "fit")
    assert miniflow.model(run).encoded == fitted.file.encoded
    assert fitted.data.csv_sha256 == read_table(raisin_csv, "Class", "Besni").csv_sha256
    assert miniflow.run(run).params["solver"] == "newton-in-blocks"
    assert fitted.validation.accuracy > 0.8


@dataclass(frozen=True)
class Drawn:
    """Rows that are drawn anew on every pass, so that nobody holds them."""

    blocks: int
    width: int = 40
    classes: tuple[str, str] = ("no", "yes")
    csv_sha256: str | None = None

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(f"f{index}" for index in range(self.width))

    @property
    def rows(self) -> int:
        return 250 * self.blocks

    def with_before(self) -> Iterator[tuple[Block, Floats]]:
        return with_row_before(self)

    def __iter__(self) -> Iterator[Block]:
        for number in range(self.blocks):
            generator = np.random.default_rng(number)
            x = generator.normal(size=(250, self.width))
            yield Block(x, (x[:, 0] + generator.logistic(size=250) > 0).astype(np.uint8))


def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_ROWS", "JUDGING_ROWS", "CALIBRATING_ROWS"):
        monkeypatch.setattr(f"trainer.block_parts.{limit}", 500)
    monkeypatch.setattr("trainer.summed_evaluation.CELLS", 500)

    def peak(source: Drawn) -> int:
        parts = BlockParts.of(source.rows, 0, calibrates=True, by_time=False)
        blocks = TrainingBlocks(source, parts)
        moments = solve_blocks(blocks, max_steps=1).moments
        schema = Schema(source.features, source.classes)
        model = LogisticModel(schema, np.ones(40), 0.0, moments.mean, moments.standard_deviation)
        tracemalloc.start()
        try:
            read = read_blocks(source, parts, schema, moments)
            found = training_figures(blocks, moments.rows, read.sample, model, read.digest)
            assert found.evaluation.rows == moments.rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = Drawn(40), Drawn(160)
    peak(few)  # what is allocated once only
    # the rest is what Python needs for a block's pieces, whatever the number of rows in it: 8 bytes a row with
    # blocks of 250 rows, and up to 18 when the collector of cycles ran late; a row itself has 320
    assert peak(many) - peak(few) < 32 * (many.rows - few.rows)


def test_figures_of_training_are_those_of_all_rows_whether_they_are_kept_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = draw(n=4000, seed=6)
    kept = fit_blocks(source, seed=3, choices=Choices("platt"))
    monkeypatch.setattr("trainer.block_parts.MAX_ROWS", 1000)
    summed = fit_blocks(source, seed=3, choices=Choices("platt"))
    assert kept.sample is not None
    assert summed.sample is not None
    assert len(kept.sample.y) == kept.train.rows > 2 * len(summed.sample.y)
    assert summed.data == kept.data
    assert summed.solution.epoch.train_loss == pytest.approx(kept.solution.epoch.train_loss, abs=1e-12)
    assert summed.solution.epoch.train_accuracy == kept.solution.epoch.train_accuracy
    assert summed.train_class1_rows == kept.train_class1_rows
    for name in Evaluation.__struct_fields__:
        room = 1e-4 if name in ("auc", "average_precision") else 1e-12
        assert getattr(summed.train, name) == pytest.approx(getattr(kept.train, name), abs=room), name


def test_separated_classes_are_said() -> None:
    source = draw()
    source.x[:, 3] = 0.0
    source.x[np.flatnonzero(source.y == 1)[:40], 3] = 1.0
    found = fit_blocks(source, seed=0, solver=BlockNewton(c=np.inf), ordered=False)
    assert not found.solution.converged
    assert "weights_diverging" in [finding.symptom for finding in found.findings]


def test_rows_that_cannot_be_fitted_are_refused() -> None:
    source = draw()
    with pytest.raises(DataError, match="leave out their weights"):
        fit_blocks(Rows(source.x, source.y, weights=np.ones(2000)), seed=0)
    with pytest.raises(DataError, match="no labelled rows"):
        fit_blocks(Rows(source.x[:0], source.y[:0]), seed=0)
    with pytest.raises(DataError, match="of one class"):
        fit_blocks(Rows(source.x, np.zeros_like(source.y)), seed=0)
    with pytest.raises(DataError, match="every feature has the same value"):
        fit_blocks(Rows(np.ones_like(source.x), source.y), seed=0)
    with pytest.raises(
        DataError, match=r"all 400 rows held out are of class 'yes', which judge nothing; .*order of time"
    ):
        fit_blocks(Rows(source.x, np.sort(source.y)), seed=0, by_time=True, ordered=False)
    with pytest.raises(DataError, match="no rows are held out"):
        fit_blocks(Rows(source.x[:2], np.array([0, 1], dtype=np.uint8)), seed=0, by_time=True)
