import numpy as np
import pytest

from core.errors import ReferenceDrifts
from core.model import Floats
from trainer.fit import FittedModel, fit
from trainer.split import Split
from trainer.table import Table


def a_table(x: Floats, seed: int = 0) -> Table:
    """Rows with classes that depend on the first feature, in no particular order of class."""
    chance = np.random.default_rng(seed).random(len(x))
    y = (chance < 1.0 / (1.0 + np.exp(-(x[:, 0] - x[:, 0].mean())))).astype(np.uint8)
    return Table(tuple(f"f{column}" for column in range(x.shape[1])), x, y)


def fit_on(x: Floats, *, ordered: bool = True) -> FittedModel:
    return fit(a_table(x), seed=0, ordered=ordered)


def test_rows_that_drift_themselves_are_refused_with_where_and_what() -> None:
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[360:, 1] += 0.9
    with pytest.raises(ReferenceDrifts, match=r"from row 3\d\d on f1 is .* standard deviations higher") as raised:
        fit_on(x)
    assert "--unordered" in str(raised.value)
    assert min(raised.value.after) == pytest.approx(360, abs=20)
    assert max(raised.value.before) < min(raised.value.after)


def test_the_order_of_unordered_rows_is_not_looked_at() -> None:
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[360:, 1] += 0.9
    assert not fit_on(x, ordered=False).file.drift.transform.autocorrelation.any()


def test_a_table_sorted_by_class_does_not_count_as_drifting() -> None:
    table = a_table(np.random.default_rng(1).normal(size=(600, 3)))
    order = np.argsort(table.y, kind="stable")
    fit(Table(table.features, table.x[order], table.y[order]), seed=0)


def test_rows_stored_by_class_are_not_taken_for_an_order_of_time(raisin: Table) -> None:
    """Raisin's neighbours within a class are a little alike; a stream of mixed classes has nothing of that."""
    assert fit(raisin, seed=1).file.drift.dependence == 1.0


def test_autocorrelated_rows_are_judged_by_their_innovations() -> None:
    generator = np.random.default_rng(2)
    x = np.empty((2_000, 2))
    last = np.zeros(2)
    for row in range(len(x)):
        last = 0.7 * last + generator.normal(size=2)
        x[row] = last
    # every fifth row is held out: only neighbours in time tell of the dependence
    rows = np.arange(2_000)
    split = Split(rows[rows % 5 != 4], rows[rows % 5 == 4])
    reference = fit(a_table(x), seed=0, split=split).file.drift
    assert reference.transform.autocorrelation[:2] == pytest.approx([0.7, 0.7], abs=0.05)
    assert reference.dependence == pytest.approx(1.7 / 0.3, rel=0.2)
    assert fit(a_table(x), seed=0, split=split, ordered=False).file.drift.dependence == 1.0


def test_independent_rows_have_no_autocorrelation() -> None:
    assert fit_on(np.random.default_rng(3).normal(size=(800, 4))).file.drift.dependence == 1.0
