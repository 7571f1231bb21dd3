from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegressionCV

from core.errors import DataError
from core.model import Floats
from trainer.calibration.folds import stratified_folds
from trainer.penalty import PENALTIES, choose_penalty, newton_recipe
from trainer.solvers.newton import Newton
from trainer.table import Labels, Table


def drawn(n: int, features: int, told: float, seed: int = 0) -> tuple[Floats, Labels]:
    """Standardised rows of which the first feature tells the class, the better the greater ``told``."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, features))
    y = (generator.random(n) < 1 / (1 + np.exp(-told * x[:, 0]))).astype(np.uint8)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def test_the_least_log_loss_is_that_of_scikit_learn_in_the_same_folds(raisin: Table, standardised: Floats) -> None:
    y, folds = raisin.y, 5
    numbers = stratified_folds(y, 3, folds)
    splits = [(np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)) for fold in range(folds)]
    oracle = LogisticRegressionCV(
        Cs=list(PENALTIES),
        cv=splits,
        scoring="neg_log_loss",
        solver="newton-cholesky",
        tol=1e-8,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    ).fit(standardised, y)
    found = choose_penalty(standardised, y, 3, folds=folds)
    assert found.inverse_l2 == pytest.approx(oracle.C_)
    assert [each.inverse_l2 for each in found.figures] == pytest.approx(list(oracle.Cs_))
    expected = -oracle.scores_.reshape(folds, len(PENALTIES)).mean(axis=0)
    assert [each.log_loss for each in found.figures] == pytest.approx(list(expected), abs=1e-6)


def test_rows_that_tell_little_get_a_stronger_penalty() -> None:
    weak, strong = (choose_penalty(*drawn(100, 20, told), seed=0).inverse_l2 for told in (0.3, 6.0))
    assert weak < strong


def test_the_differences_are_from_the_best_and_have_an_error() -> None:
    found = choose_penalty(*drawn(200, 5, 1.0), seed=0)
    by_strength = {each.inverse_l2: each for each in found.figures}
    best = by_strength[found.inverse_l2]
    assert (best.difference, best.standard_error) == (0.0, 0.0)
    assert best.log_loss == min(each.log_loss for each in found.figures)
    worst = found.figures[0]
    assert worst.difference == pytest.approx(worst.log_loss - best.log_loss)
    assert worst.standard_error > 0.0


def test_of_equal_losses_the_strongest_penalty_is_taken() -> None:
    z, y = drawn(60, 2, 1.0)
    found = choose_penalty(np.zeros_like(z), y, 0, penalties=(10.0, 0.1, 1.0))
    assert found.inverse_l2 == 0.1
    assert [each.inverse_l2 for each in found.figures] == [0.1, 1.0, 10.0]


def test_the_seed_draws_the_folds_and_nothing_else() -> None:
    z, y = drawn(80, 10, 0.5)
    assert choose_penalty(z, y, 1) == choose_penalty(z, y, 1)
    assert choose_penalty(z, y, 1) != choose_penalty(z, y, 2)


def test_each_solver_starts_where_the_one_before_arrived() -> None:
    z, y = drawn(100, 5, 1.0)
    starts: list[bool] = []

    class Watched(Newton):
        def solve(self, problem, seed, start=None):  # type: ignore[no-untyped-def]  # as its parent
            starts.append(start is not None)
            return super().solve(problem, seed, start)

    found = choose_penalty(z, y, 0, lambda c: Watched(c=c, tolerance=1e-8), (0.1, 1.0, 10.0), folds=2)
    assert starts == [False, True, True] * 2
    cold = [choose_penalty(z, y, 0, newton_recipe, (c,), folds=2).figures[0].log_loss for c in (0.1, 1.0, 10.0)]
    assert [each.log_loss for each in found.figures] == pytest.approx(cold, abs=1e-7)


def test_rows_in_time_are_chosen_on_runs_of_neighbours() -> None:
    z, y = drawn(100, 5, 1.0)
    assert choose_penalty(z, y, 1, by_time=True) == choose_penalty(z, y, 2, by_time=True)
    assert choose_penalty(z, y, 1, by_time=True) != choose_penalty(z, y, 1)
    late = np.sort(y)  # a remainder of the first half is of one class
    assert choose_penalty(z, late, 1, folds=2, by_time=True) == choose_penalty(z, late, 1, folds=2)


def test_too_few_rows_or_no_strength_are_one_sentence() -> None:
    z, y = drawn(100, 3, 1.0)
    few = np.flatnonzero(np.cumsum(y) * y <= 19)  # 19 rows of class 1
    with pytest.raises(DataError, match=r"one class has 19 training rows.*20, or set inverse_l2"):
        choose_penalty(z[few], y[few], 0)
    with pytest.raises(DataError, match="name at least one"):
        choose_penalty(z, y, 0, penalties=())
