"""Records like Raisin's: seven features of the same size, or as many of that kind as are asked for."""

from __future__ import annotations

import numpy as np

from core.concept_reference import fit_concept_reference
from core.drift.reference import fit_reference
from core.drift.reference_rows import ReferenceRows
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.schema import Schema
from streamgauge.demo.raisin_like import CLASSES, FEATURES

_MEANS = np.array([87804.13, 430.93, 254.49, 0.7815, 91186.09, 0.6995, 1165.91])
_DEVIATIONS = np.array([39002.11, 116.04, 49.99, 0.0903, 40769.29, 0.0535, 273.76])

#: Blocks of the drift calibration: nothing is judged by it here.
_BLOCKS = 16


def make_rows(count: int, seed: int, width: int = len(FEATURES)) -> Floats:
    """(count, width) rows, rounded as a camera's software writes them."""
    means, deviations = np.resize(_MEANS, width), np.resize(_DEVIATIONS, width)
    rows: Floats = np.random.default_rng(seed).normal(means, deviations, (count, width)).round(4)
    return rows


def make_model(seed: int, width: int = len(FEATURES)) -> ModelFile:
    """A model over them."""
    names = FEATURES if width == len(FEATURES) else tuple(f"feature_{number}" for number in range(width))
    weights = np.random.default_rng(seed).normal(size=width)
    means, deviations = np.resize(_MEANS, width), np.resize(_DEVIATIONS, width)
    model = LogisticModel(Schema(names, CLASSES), weights, 0.1, means, deviations)
    rows = make_rows(900, seed, width)
    profile = profile_rows(rows, names, seed)
    watched = ReferenceRows(rows, model.score(rows).probability, np.flatnonzero(profile.varies))
    scores = model.score(rows)
    outcomes = np.random.default_rng(seed).random(len(rows)) < scores.probability
    concept = fit_concept_reference(scores.logit, outcomes)
    return ModelFile(model, profile, fit_reference(watched, seed, blocks=_BLOCKS), concept)
