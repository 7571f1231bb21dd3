from __future__ import annotations

import numpy as np
import pytest

from core.model_file import ModelFile
from core.schema import Schema
from tests.drift_references import QUICK_BLOCKS
from trainer.fit import fit
from trainer.holdout import Holdout
from trainer.promotion.duel import duel, unseen
from trainer.table import Table

SCHEMA = Schema(("a", "b"), ("no", "yes"))


def rows(n: int, seed: int) -> Holdout:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    return Holdout(x, (generator.random(n) < 1 / (1 + np.exp(-3 * x[:, 0]))).astype(np.uint8))


@pytest.fixture(scope="module")
def models() -> tuple[ModelFile, ModelFile]:
    """One trained on many rows, one on few."""
    one, other = (
        fit(Table(SCHEMA.features, made.x, made.y, SCHEMA.classes), seed=0, blocks=QUICK_BLOCKS).file
        for made in (rows(1_000, 0), rows(60, 1))
    )
    return one, other


def test_both_are_judged_as_they_are_deployed_with_intervals(models: tuple[ModelFile, ModelFile]) -> None:
    judged = rows(300, 2)
    found = duel(*models, judged)
    for side, figures, spans in (
        (models[0], found.candidate, found.candidate_intervals),
        (models[1], found.production, found.production_intervals),
    ):
        p = side.model.score(judged.x).probability
        assert figures.log_loss == pytest.approx(-np.log(np.where(judged.y == 1, p, 1 - p)).mean())
        assert spans is not None
        assert spans.log_loss is not None
        assert spans.log_loss.low < figures.log_loss < spans.log_loss.high
    assert found.difference.difference == pytest.approx(found.candidate.log_loss - found.production.log_loss)
    assert {each.name for each in found.guardrails} == {"calibration", "recall"}
    assert found.metrics("judged")["judged_rows"] == 300


def test_an_identical_model_differs_by_exactly_nothing(models: tuple[ModelFile, ModelFile]) -> None:
    found = duel(models[0], models[0], rows(300, 3))
    assert (found.difference.difference, found.difference.p_better) == (0.0, 1.0)


def test_equal_rows_give_equal_figures(models: tuple[ModelFile, ModelFile]) -> None:
    assert duel(*models, rows(200, 4)) == duel(*models, rows(200, 4))


def test_neighbours_are_told_of(models: tuple[ModelFile, ModelFile]) -> None:
    assert duel(*models, rows(200, 5)).difference.variance_ratio is None
    found = duel(*models, rows(200, 5), neighbours=rows(800, 6)).difference.variance_ratio
    assert found is not None
    assert 0 < found < 4


def test_rows_that_trained_the_candidate_are_left_out_of_a_holdout() -> None:
    holdout, other = rows(200, 7), rows(300, 8)
    trained = np.concatenate([other.x, holdout.x[50:120]])
    rest = unseen(holdout, trained)
    kept = np.r_[0:50, 120:200]
    assert np.array_equal(rest.x, holdout.x[kept])
    assert np.array_equal(rest.y, holdout.y[kept])
    assert np.array_equal(unseen(holdout, other.x).x, holdout.x)
    assert len(unseen(holdout, holdout.x).y) == 0
    shuffled = holdout.x[:, ::-1]  # the same numbers in other columns
    assert len(unseen(holdout, shuffled).y) == 200
    assert len(unseen(holdout, np.empty((0, 2))).y) == 200
