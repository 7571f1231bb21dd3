import numpy as np

from core.drift.sieve import SieveStreams


def test_streams_have_the_autocorrelation_and_the_spread_of_the_reference() -> None:
    generator = np.random.default_rng(0)
    r = np.array([0.9, 0.5, 0.0])
    innovations = generator.normal(size=(2_000, 3)) * np.sqrt(1 - r**2)
    streams = SieveStreams(r, innovations, 20, generator).next(5_000)
    assert streams.shape == (20, 5_000, 3)
    pooled = streams.transpose(2, 0, 1)
    assert np.allclose(pooled.reshape(3, -1).std(axis=1), 1.0, atol=0.06)
    for column, expected in zip(pooled, r, strict=True):
        found = np.mean(column[:, 1:] * column[:, :-1]) / np.mean(column**2)
        assert abs(found - expected) < 0.03


def test_streams_go_on_where_they_were() -> None:
    innovations = np.random.default_rng(1).normal(size=(100, 2))
    r = np.array([0.99, 0.99])
    streams = SieveStreams(r, innovations, 3, np.random.default_rng(2))
    first, second = streams.next(100), streams.next(100)
    steps = second[:, 0] - r * first[:, -1]
    pool = innovations - innovations.mean(axis=0)
    for step in steps:
        assert np.abs(pool - step).max(axis=1).min() < 1e-9


def test_fewer_innovations_than_a_run_are_enough() -> None:
    streams = SieveStreams(np.array([0.5]), np.array([[1.0], [-1.0]]), 2, np.random.default_rng(3))
    assert np.isfinite(streams.next(50)).all()
