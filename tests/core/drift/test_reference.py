import numpy as np
import pytest

from core.drift.reference import ARRAYS, DriftReference, fit_reference, read_reference
from core.drift.reference_rows import ReferenceRows
from core.model import Floats
from tests.drift_references import QUICK_BLOCKS


def reference_of(x: Floats) -> DriftReference:
    """A quick reference of rows whose columns all vary."""
    return fit_reference(
        ReferenceRows(x, 1.0 / (1.0 + np.exp(-x.sum(axis=1))), np.arange(x.shape[1])), 0, blocks=QUICK_BLOCKS
    )


@pytest.fixture(scope="module")
def reference() -> DriftReference:
    return reference_of(np.random.default_rng(0).normal(size=(200, 3)))


def assert_equal(one: DriftReference, other: DriftReference) -> None:
    assert list(one.arrays()) == list(ARRAYS)
    for name, array in one.arrays().items():
        assert np.array_equal(array, other.arrays()[name]), name
    assert one.bins.rows == other.bins.rows
    assert (one.rows, one.seed, one.known_truth) == (other.rows, other.seed, other.known_truth)


def test_what_is_stored_reads_back_to_the_bit(reference: DriftReference) -> None:
    assert_equal(read_reference(reference.arrays(), reference.rows, reference.seed, 3), reference)


def test_equal_rows_give_equal_references(reference: DriftReference) -> None:
    assert_equal(reference_of(np.random.default_rng(0).normal(size=(200, 3))), reference)


def test_the_bins_of_dependent_rows_count_those_whose_predecessor_is_known() -> None:
    x = np.random.default_rng(5).normal(size=(200, 2))
    before = np.column_stack([np.roll(x, 1, axis=0), np.full(200, 0.5)])
    before[::4] = np.nan
    rows = ReferenceRows(x, np.full(200, 0.5), np.arange(2), np.array([0.3, 0.3, 0.0]), before)
    reference = fit_reference(rows, 0, blocks=QUICK_BLOCKS)
    assert (reference.rows, reference.bins.rows) == (200, 150)
    assert_equal(read_reference(reference.arrays(), 200, 0, 2), reference)


def test_a_reference_for_more_features_than_the_model_has_is_refused(reference: DriftReference) -> None:
    with pytest.raises(ValueError, match="not columns of the model"):
        read_reference(reference.arrays(), reference.rows, reference.seed, 2)


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(1).integers(0, 2, size=(100, 2)).astype(float),  # only 0 and 1
        np.random.default_rng(2).integers(0, 4, size=(100, 2)).astype(float),  # small integers
        np.random.default_rng(3).standard_cauchy(size=(300, 2)),  # no variance to speak of
        np.where(np.arange(100)[:, None] == 50, 1.0, np.zeros((100, 2))),  # constant but for one row
        np.arange(6.0).reshape(3, 2) ** 2,  # three rows
        np.random.default_rng(4).normal(size=(40, 90)),  # more features than rows
    ],
    ids=["binary", "integers", "cauchy", "nearly constant", "three rows", "wide"],
)
def test_odd_rows_give_a_finite_reference(x: Floats) -> None:
    reference = reference_of(x)
    for name, array in reference.arrays().items():
        assert name == "drift_edges" or np.isfinite(array).all(), name
    assert_equal(read_reference(reference.arrays(), reference.rows, 0, x.shape[1]), reference)
