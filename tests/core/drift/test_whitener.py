import numpy as np

from core.drift.whitener import RIDGE, fit_whitener


def test_rows_come_out_uncorrelated_with_mean_square_one() -> None:
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(5, 5))
    whitened, _ = fit_whitener(generator.normal(size=(20_000, 5)) @ mixing).whitened(
        generator.normal(size=(20_000, 5)) @ mixing
    )
    assert np.abs(np.corrcoef(whitened.T) - np.eye(5)).max() < 0.05
    assert abs(np.mean(whitened**2) - 1.0) < 0.05


def test_a_twentieth_of_wild_rows_hardly_moves_the_scatter() -> None:
    generator = np.random.default_rng(1)
    clean = generator.normal(size=(2_000, 3))
    spoilt = clean.copy()
    spoilt[:100] *= 1e4
    one, other = fit_whitener(clean), fit_whitener(spoilt)
    assert np.abs(other.matrix / np.trace(other.matrix) - one.matrix / np.trace(one.matrix)).max() < 0.05


def test_no_row_counts_more_than_the_clip() -> None:
    whitener = fit_whitener(np.random.default_rng(2).normal(size=(500, 4)))
    whitened, _ = whitener.whitened(np.full((1, 4), 1e150))
    assert np.linalg.norm(whitened + whitener.centre) <= whitener.clip * (1 + 1e-12)


def test_directions_of_rounding_are_not_blown_up() -> None:
    generator = np.random.default_rng(3)
    base = generator.normal(size=(1_000, 1))
    copies = np.repeat(base, 2, axis=1)
    copies[:, 1] += 1e-12 * generator.normal(size=1_000)
    largest = np.linalg.eigvalsh(fit_whitener(copies).matrix).max()
    assert largest < 2.0 / np.sqrt(RIDGE)


def test_more_features_than_rows_give_a_finite_matrix() -> None:
    whitener = fit_whitener(np.random.default_rng(4).normal(size=(30, 100)))
    assert np.isfinite(whitener.matrix).all()
    assert np.linalg.eigvalsh(whitener.matrix).min() > 0


def test_rows_without_any_spread_are_left_as_they_are() -> None:
    whitener = fit_whitener(np.zeros((10, 3)))
    whitened, norm = whitener.whitened(np.zeros((2, 3)))
    assert (whitened == 0).all()
    assert (norm == 0).all()
