"""Records like Raisin's: seven features of the same size."""

from __future__ import annotations

import numpy as np

from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.schema import Schema
from streamgauge.demo.raisin_like import CLASSES, FEATURES

_MEANS = np.array([87804.13, 430.93, 254.49, 0.7815, 91186.09, 0.6995, 1165.91])
_DEVIATIONS = np.array([39002.11, 116.04, 49.99, 0.0903, 40769.29, 0.0535, 273.76])


def make_rows(count: int, seed: int) -> Floats:
    """(count, 7) rows, rounded as a camera's software writes them."""
    rows: Floats = np.random.default_rng(seed).normal(_MEANS, _DEVIATIONS, (count, len(FEATURES))).round(4)
    return rows


def make_model(seed: int) -> ModelFile:
    """A model over them."""
    schema = Schema(FEATURES, CLASSES)
    weights = np.random.default_rng(seed).normal(size=len(FEATURES))
    model = LogisticModel(schema, weights, 0.1, _MEANS, _DEVIATIONS)
    return ModelFile(model, profile_rows(make_rows(900, seed), FEATURES, seed))
