"""What judges a candidate that a person brings: rows that are news to it, and what is said where none are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.miniflow import MiniFlow
from core.settings import Settings
from trainer.block_entry import fit_table_in_blocks
from trainer.commands import FitReport, fit_table
from trainer.fit import FittedModel
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision
from trainer.table import Labels
from trainer.training_rows import own_prints, row_prints

WIDTH = 6


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    """No Redis at all; the first model, in production, is of rows of its own."""
    settings = Settings(miniflow=str(tmp_path / "miniflow"))
    fit_table(written(tmp_path / "first.csv", *drawn(300, seed=1)), "class", "1", settings, ordered=False)
    return settings


def drawn(
    n: int, seed: int, decimals: int = 17
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], Labels]:
    """Rows whose class hangs on the first of their features."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, WIDTH))
    return np.round(x, decimals), (x[:, 0] + generator.logistic(size=n) > 0).astype(np.uint8)


def written(path: Path, x: np.ndarray[tuple[int, int], np.dtype[np.float64]], y: Labels) -> Path:
    lines = [",".join([*map(repr, row), str(label)]) for row, label in zip(x.tolist(), y.tolist(), strict=True)]
    path.write_text("\n".join([",".join([*(f"f{column}" for column in range(WIDTH)), "class"]), *lines]) + "\n")
    return path


def decision_of(settings: Settings, report: FitReport) -> PromotionDecision:
    run = MiniFlow(settings.miniflow_path, settings.pipeline).run(report.run_id)
    return msgspec.json.decode(run.read_artifact(DECISION_ARTIFACT), type=PromotionDecision)


@pytest.mark.parametrize("entry", [fit_table, fit_table_in_blocks])
def test_copies_of_rows_that_trained_do_not_judge_a_fit(entry: object, alone: Settings, tmp_path: Path) -> None:
    x, y = drawn(40, seed=2)
    more, labels = drawn(600, seed=3)
    path = written(
        tmp_path / "again.csv", np.concatenate([*[x] * 15, more]), np.concatenate([np.tile(y, 15), labels])
    )
    enter = fit_table if entry is fit_table else fit_table_in_blocks
    report = enter(path, "class", "1", alone, ordered=False)
    decision = decision_of(alone, report)
    assert decision.copies > 50
    assert decision.judged is not None
    assert decision.judged.difference.rows == report.validation.rows - decision.copies
    assert f" {decision.copies} more judge nothing: they are copies of rows that trained." in report.verdict


@pytest.mark.parametrize("entry", [fit_table, fit_table_in_blocks])
def test_a_fit_that_only_copies_could_judge_leaves_production(
    entry: object, alone: Settings, tmp_path: Path
) -> None:
    x, y = drawn(40, seed=2)
    path = written(tmp_path / "again.csv", np.concatenate([x] * 15), np.tile(y, 15))
    enter = fit_table if entry is fit_table else fit_table_in_blocks
    report = enter(path, "class", "1", alone, ordered=False)
    assert not report.promoted
    assert report.verdict.startswith(f"All {report.validation.rows} judged rows are copies of rows that trained")
    assert report.verdict.endswith("; give rows of their own.")
    decision = decision_of(alone, report)
    assert (decision.judged, decision.level, decision.copies) == (None, None, report.validation.rows)


def test_without_copies_every_row_judges_and_coarse_ones_do_too(alone: Settings, tmp_path: Path) -> None:
    for name, decimals in (("fine", 17), ("coarse", 0)):
        report = fit_table(
            written(tmp_path / f"{name}.csv", *drawn(900, 3, decimals)), "class", "1", alone, ordered=False
        )
        decision = decision_of(alone, report)
        assert decision.judged is not None
        assert (decision.copies, decision.judged.difference.rows) == (0, 180)
        assert "judge nothing" not in report.verdict


def test_where_every_row_of_the_fixed_holdout_is_known_it_is_said(tmp_path: Path) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"))
    for name, n, seed in (("first", 200, 1), ("second", 4000, 2)):
        x, y = drawn(n, seed)
        coarse = np.clip(np.round(x), -1, 1)
        coarse[:, 2:] = 0.0
        coarse[::2, 5] = 1.0
        path = written(tmp_path / f"{name}.csv", coarse, y)
        report = fit_table(path, "class", "1", settings, ordered=False)
    decision = decision_of(settings, report)
    assert decision.judged is not None
    assert (decision.fixed_holdout, decision.fixed_holdout_known) == (None, 40)
    assert report.verdict.endswith(
        "Production's own holdout does not judge: the candidate was trained on all of its 40 rows, "
        "or on equal ones."
    )


@pytest.mark.parametrize(("said", "seen"), [({"unseen": False}, True), ({"unseen": True}, False)])
def test_production_that_may_have_seen_its_own_holdout_is_said(
    said: dict[str, bool], seen: bool, alone: Settings, tmp_path: Path
) -> None:
    miniflow = MiniFlow(alone.miniflow_path, alone.pipeline)
    (first,) = miniflow.runs()
    miniflow.run(first.run_id).log_params({"imported": "theirs.json", "holdout": None, **said})
    report = fit_table(written(tmp_path / "more.csv", *drawn(900, 3)), "class", "1", alone, ordered=False)
    decision = decision_of(alone, report)
    assert decision.fixed_holdout_judges
    assert decision.fixed_holdout_seen == seen
    sentence = "Production is an imported model that may have been trained on its own holdout"
    assert (sentence in report.verdict) == seen


def test_a_zero_of_either_sign_is_one_number() -> None:
    assert row_prints(np.array([[0.0, 1.0]])) == row_prints(np.array([[-0.0, 1.0]]))


def test_a_run_knows_its_training_rows_by_their_fingerprints(alone: Settings, tmp_path: Path) -> None:
    made: list[FittedModel] = []
    x, y = drawn(200, seed=4)
    report = fit_table(
        written(tmp_path / "rows.csv", x, y), "class", "1", alone, on_fitted=lambda _, fitted: made.append(fitted)
    )
    miniflow = MiniFlow(alone.miniflow_path, alone.pipeline)
    rest = np.delete(np.arange(200), made[0].holdout_rows)
    found = own_prints(miniflow, report.run_id)
    assert found is not None
    assert sorted(found.tolist()) == sorted(row_prints(x[rest]).tolist())
    artifact = miniflow.run(report.run_id).directory / "artifacts" / "training_rows.npz"
    artifact.write_bytes(artifact.read_bytes()[:-30])
    assert own_prints(miniflow, report.run_id) is None
    assert own_prints(miniflow, "0" * 12) is None
