"""The training rows' probabilities, told from deciles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.drift.reference import fit_reference
from core.drift.reference_rows import ReferenceRows
from monitor.live.training_shares import EDGES, training_shares
from tests.drift_references import QUICK_BLOCKS


@pytest.mark.parametrize("spread", [0.5, 1.5, 4.0])
def test_shares_are_near_those_of_the_rows(spread: float) -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(600, 2))
    probability = 1.0 / (1.0 + np.exp(-spread * x[:, 0] - 0.3))
    reference = fit_reference(ReferenceRows(x, probability, np.arange(2)), 0, blocks=QUICK_BLOCKS)
    true = np.histogram(probability, EDGES)[0] / len(probability)
    found = training_shares(reference)
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0).all()
    # in total variation: a decile may be spread over more than one bin
    assert np.abs(found - true).sum() / 2 < 0.1


def test_one_probability_is_one_bin() -> None:
    x = np.random.default_rng(3).normal(size=(200, 2))
    reference = fit_reference(ReferenceRows(x, np.full(200, 0.73), np.arange(2)), 0, blocks=QUICK_BLOCKS)
    assert training_shares(reference).tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    elsewhere = replace(reference, transform=replace(reference.transform, probability_mean=1.0))
    assert training_shares(elsewhere).tolist()[-1] == 1
