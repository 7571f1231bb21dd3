from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TimeSeriesSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.errors import DataError
from core.threshold_rule import ThresholdRule
from trainer.cross_validation import CrossValidation, Training, cross_validate
from trainer.decision import Choices
from trainer.leakage import copies_in_folds
from trainer.solvers.newton import Newton
from trainer.split import Split, stratified_splits, time_ordered_splits
from trainer.table import Table

#: Nothing but the weights.
PLAIN = Training(choices=Choices())


def noisy(n: int = 120, seed: int = 0) -> Table:
    """Rows of three features; the first tells the class."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 3)) * [1.0, 10.0, 100.0]
    y = (x[:, 0] + generator.normal(size=n) > 0).astype(np.uint8)
    return Table(("a", "b", "c"), x, y, ("no", "yes"))


def figures(found: CrossValidation) -> tuple[object, ...]:
    return (found.folds, found.rows.tolist(), found.probability.tolist())


def test_probabilities_are_those_of_scikit_learn_in_the_same_folds(raisin: Table) -> None:
    splits = stratified_splits(raisin.y, 0, 10)
    found = cross_validate(raisin, splits, 0, PLAIN)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-10))
    pairs = [(split.train, split.holdout) for split in splits]
    expected = cross_val_predict(pipeline, raisin.x, raisin.y, cv=pairs, method="predict_proba")[:, 1]
    np.testing.assert_allclose(found.probability, expected, rtol=0, atol=1e-7)
    assert found.rows.tolist() == list(range(900))
    assert found.accuracy == pytest.approx(((expected >= 0.5) == (raisin.y == 1)).mean())


def test_no_row_has_a_part_in_the_model_that_judges_it() -> None:
    table, splits = noisy(), stratified_splits(noisy().y, 0, 5)
    way = Training(inverse_l2=None, choices=Choices("auto", ThresholdRule("f1")))
    before = cross_validate(table, splits, 0, way)
    row = int(splits[2].holdout[0])
    x, y = table.x.copy(), table.y.copy()
    x[row], y[row] = [50.0, -900.0, 4e4], 1 - y[row]
    after = cross_validate(replace(table, x=x, y=y), splits, 0, way)
    own = np.isin(before.rows, splits[2].holdout)
    others = own & (before.rows != row)
    assert np.array_equal(before.probability[others], after.probability[others])
    assert not np.array_equal(before.probability[~own], after.probability[~own])
    assert before.folds[2].judged.threshold == after.folds[2].judged.threshold


def test_equal_arguments_give_equal_figures() -> None:
    table, splits = noisy(), stratified_splits(noisy().y, 0, 4)
    assert figures(cross_validate(table, splits, 0)) == figures(cross_validate(table, splits, 0))


def test_each_fold_says_what_it_chose() -> None:
    table = noisy(200)
    way = Training(inverse_l2=None, penalties=(0.01, 1.0), choices=Choices("platt", ThresholdRule("youden")))
    found = cross_validate(table, stratified_splits(table.y, 0, 4), 0, way)
    assert {fold.inverse_l2 for fold in found.folds} <= {0.01, 1.0}
    assert [fold.calibration for fold in found.folds] == ["platt"] * 4
    assert len({fold.judged.threshold for fold in found.folds}) > 1
    right = [round(fold.judged.accuracy * fold.judged.rows) for fold in found.folds]
    assert found.accuracy == sum(right) / 200
    assert sum(fold.judged.rows for fold in found.folds) == 200
    assert [fold.train_rows for fold in found.folds] == [150] * 4


def test_without_a_penalty_the_fold_says_none() -> None:
    table = noisy()
    found = cross_validate(
        table, stratified_splits(table.y, 0, 3), 0, Training(inverse_l2=float("inf"), choices=Choices())
    )
    assert [fold.inverse_l2 for fold in found.folds] == [None] * 3


def test_a_solver_that_stops_early_goes_through_folds_too() -> None:
    table = noisy()
    way = Training(recipe=lambda c: Newton(c=c, patience=2), choices=Choices("auto"))
    found = cross_validate(table, stratified_splits(table.y, 0, 3), 0, way)
    assert found.accuracy > 0.7


def test_pooled_calibration_error_has_its_floor_beside() -> None:
    table = noisy(400)
    found = cross_validate(table, stratified_splits(table.y, 0, 5), 0, PLAIN)
    assert 0.0 < found.calibration_error_floor < 0.1
    assert 0.0 < found.expected_calibration_error < 0.15


def test_in_time_every_row_is_judged_by_models_of_rows_before_it() -> None:
    table = noisy(103)
    splits = time_ordered_splits(103, 4, gap=5)
    found = cross_validate(table, splits, 0, PLAIN)
    assert found.rows.tolist() == list(range(23, 103))
    x = table.x.copy()
    x[43:] = 7.0  # whatever comes from the second fold on
    first = cross_validate(replace(table, x=x), splits[:1], 0, PLAIN)
    assert np.array_equal(first.probability, found.probability[:20])


def test_a_constant_feature_of_a_fold_has_no_part_in_it() -> None:
    table = noisy(60)
    x = table.x.copy()
    x[:40, 1] = 3.0  # varies only in the rows that the fold holds out
    x[40:, 1] = 1e6
    split = Split(np.arange(40), np.arange(40, 60))
    found = cross_validate(replace(table, x=x), [split], 0, PLAIN)
    alone = Table(("a", "c"), table.x[:, [0, 2]], table.y, table.classes)
    expected = cross_validate(alone, [split], 0, PLAIN)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-12)


@pytest.mark.parametrize(
    ("train", "holdout", "said"),
    [
        (range(30), range(30, 60), "no row of class 'yes' is among the 30"),
        (range(60), [], "holds no row out"),
    ],
)
def test_a_fold_that_cannot_be_judged_is_one_sentence(train: range, holdout: range, said: str) -> None:
    table = noisy(60)
    by_class = replace(table, y=np.repeat(np.array([0, 1], dtype=np.uint8), 30))
    split = Split(np.array(train, dtype=np.intp), np.array(holdout, dtype=np.intp))
    with pytest.raises(DataError, match=said):
        cross_validate(by_class, [split], 0, PLAIN)


def test_rows_that_tell_nothing_or_are_not_finite_are_one_sentence() -> None:
    table = noisy(60)
    splits = stratified_splits(table.y, 0, 2)
    with pytest.raises(DataError, match="the same value in all rows"):
        cross_validate(replace(table, x=np.ones((60, 3))), splits, 0, PLAIN)
    x = table.x.copy()
    x[5, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        cross_validate(replace(table, x=x), splits, 0, PLAIN)


@pytest.mark.parametrize(("rows", "folds", "gap"), [(20, 4, 0), (103, 5, 0), (103, 5, 7), (11, 2, 1)])
def test_splits_in_time_are_those_of_scikit_learn(rows: int, folds: int, gap: int) -> None:
    expected = TimeSeriesSplit(n_splits=folds, gap=gap).split(np.zeros(rows))
    found = time_ordered_splits(rows, folds, gap)
    assert [(each.train.tolist(), each.holdout.tolist()) for each in found] == [
        (train.tolist(), test.tolist()) for train, test in expected
    ]


def test_stratified_splits_hold_every_row_out_once_and_share_out_the_classes() -> None:
    y = np.repeat(np.array([0, 1], dtype=np.uint8), [70, 33])
    splits = stratified_splits(y, 5, 10)
    assert sorted(np.concatenate([split.holdout for split in splits])) == list(range(103))
    for split in splits:
        assert sorted([*split.train, *split.holdout]) == list(range(103))
        assert y[split.holdout].sum() in {3, 4}
        assert len(split.holdout) in {10, 11}


def test_too_few_rows_for_the_folds_are_one_sentence() -> None:
    y = np.repeat(np.array([0, 1], dtype=np.uint8), [20, 3])
    with pytest.raises(DataError, match=r"class 1 has 3 rows, fewer than 4 folds"):
        stratified_splits(y, 0, 4)
    with pytest.raises(DataError, match="at least two"):
        stratified_splits(y, 0, 1)
    with pytest.raises(DataError, match="too few for 9 folds"):
        time_ordered_splits(9, 9)
    with pytest.raises(DataError, match="a gap of 5"):
        time_ordered_splits(20, 3, gap=5)


def test_copies_of_rows_are_said_before_folds_judge_them() -> None:
    table = noisy(200)
    assert copies_in_folds(table) is None
    again = np.r_[:200, :20]
    copied = Table(table.features, table.x[again], table.y[again], table.classes)
    assert (copies_in_folds(copied) or "").startswith("20 of 220 rows are copies of others, so that folds")
    y = copied.y.copy()
    y[200:] = 1 - y[200:]
    assert "20 of them with the other label" in (copies_in_folds(replace(copied, y=y)) or "")


def test_equal_rows_of_a_questionnaire_are_no_copies() -> None:
    x = np.random.default_rng(0).integers(1, 6, size=(300, 2)).astype(np.float64)
    assert copies_in_folds(Table(("a", "b"), x, (x[:, 0] > 3).astype(np.uint8))) is None
