"""Copies and constant features: found where they are, and equal rows of coarse values left alone."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.model import Floats
from tests.trainer.diagnostics.diagnosed_models import draw, first, fitted, only_finding, symptoms
from trainer.table import Labels


def outcomes(signal: Floats, seed: int = 0) -> Labels:
    noise = np.random.default_rng(seed).logistic(size=len(signal))
    return (signal - np.median(signal) + noise > 0).astype(np.uint8)


def test_copies_are_counted_in_training_and_across_the_split() -> None:
    x, y = draw()
    x[500:], y[500:] = x[:100], y[:100]
    finding = only_finding(fitted(x, y, split=first(560, of=600)))
    assert finding.symptom == "duplicate_rows"
    assert "60 of 560 training rows" in finding.what
    assert "40 of 40 held-out rows" in finding.what
    assert "another label" not in finding.what


def test_copies_with_the_other_label_are_found_and_said() -> None:
    x, y = draw()
    x[570:], y[570:] = x[:30], 1 - y[:30]
    finding = only_finding(fitted(x, y, split=first(500, of=600)))
    assert finding.what.startswith("30 of 100 held-out rows are copies")
    assert "30 of them with another label" in finding.what
    assert "labels" in finding.remedy


def test_a_row_that_fills_the_table_is_said() -> None:
    x, y = draw()
    x[500:] = 0.0
    finding = only_finding(fitted(x, y, split=first(580, of=600)))
    assert "one row alone is there 100 times" in finding.what


def test_equal_rows_of_coarse_values_are_no_copies() -> None:
    generator = np.random.default_rng(7)
    for values in (4, 25):
        x = generator.integers(0, values, (600, 2)) / values
        assert fitted(x, outcomes(4.0 * x[:, 0])).findings == ()


def test_equal_rows_of_mostly_empty_features_are_no_copies() -> None:
    generator = np.random.default_rng(1)
    marks = (generator.random((3000, 12)) < 0.04).astype(np.float64)
    count = generator.poisson(6, 3000).astype(np.float64)
    count[:30] = np.arange(30)  # more values than a questionnaire has
    x = np.column_stack([marks, count])
    assert len(np.unique(x, axis=0)) < 1000
    assert fitted(x, outcomes(2.0 * x[:, 0] + 0.5 * count)).findings == ()


def test_equal_rows_of_which_half_are_empty_are_no_copies() -> None:
    generator = np.random.default_rng(0)
    counts = generator.poisson(30, (3000, 6))
    x = np.where(generator.integers(0, 2, (3000, 1)) == 1, counts, 0).astype(np.float64)
    assert fitted(x, outcomes(0.1 * x[:, 0])).findings == ()


@pytest.mark.parametrize("likeness", [0.9, 0.99])
def test_equal_rows_of_features_that_hang_together_are_no_copies(likeness: float) -> None:
    generator = np.random.default_rng(2)
    common = generator.normal(size=(3000, 1))
    own = generator.normal(size=(3000, 3))
    x = np.round(10.0 * (np.sqrt(likeness) * common + np.sqrt(1.0 - likeness) * own))
    assert len(np.unique(x, axis=0)) < 2600
    assert "duplicate_rows" not in symptoms(fitted(x, outcomes(0.1 * x[:, 0])))


def test_copies_of_rounded_rows_are_found() -> None:
    generator = np.random.default_rng(3)
    x = np.round(15.0 * generator.normal(size=(3000, 4)))
    x[:60] = x[-60:]
    finding = only_finding(fitted(x, outcomes(0.1 * x[:, 0])))
    assert finding.symptom == "duplicate_rows"


@pytest.mark.parametrize(("copied", "said"), [(2, []), (3, ["duplicate_rows"])])
def test_one_or_two_copies_are_no_finding(copied: int, said: list[str]) -> None:
    x, y = draw(n=120)
    x[-copied:], y[-copied:] = x[:copied], y[:copied]
    model = fitted(x, y, split=first(100, of=120))
    assert symptoms(model) == said
    assert "alone" not in " ".join(model.warnings)


def test_zero_and_minus_zero_are_one_value() -> None:
    x, y = draw()
    x[:, 1] = 0.0
    x[500:], y[500:] = x[:100], y[:100]
    x[500:, 1] = -0.0
    assert symptoms(fitted(x, y)) == ["duplicate_rows", "constant_feature"]


def test_constant_features_are_named() -> None:
    x, y = draw()
    x[:, 1] = 7.0
    finding = only_finding(fitted(x, y))
    assert finding.symptom == "constant_feature"
    assert re.findall(r"'(\w)'", finding.what) == ["b"]
