"""Drift references for tests that are not about their calibration: quickly made, and of no use for a guarantee."""

from __future__ import annotations

import numpy as np

from core.concept_reference import ConceptReference, fit_concept_reference
from core.drift.reference import DriftReference, fit_reference
from core.drift.reference_rows import ReferenceRows
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import TrainingProfile, profile_rows

#: Blocks of simulation: a tenth of a second.
QUICK_BLOCKS = 16


def quick_reference(model: LogisticModel, profile: TrainingProfile, x: Floats) -> DriftReference:
    """A reference of rows ``x`` (N, d) with little simulation."""
    index = np.flatnonzero(profile.varies)
    return fit_reference(ReferenceRows(x, model.score(x).probability, index), 0, blocks=QUICK_BLOCKS)


def quick_model_file(model: LogisticModel, x: Floats, seed: int = 0) -> ModelFile:
    """A model file whose profile and reference are of rows ``x`` (N, d)."""
    profile = profile_rows(x, model.schema.features, seed)
    return ModelFile(model, profile, quick_reference(model, profile, x), quick_concept(model, x))


def quick_concept(model: LogisticModel, x: Floats) -> ConceptReference:
    """What rows ``x`` (N, d) say of a model that is right as often as it believes."""
    scores = model.score(x)
    outcomes = np.random.default_rng(0).random(len(x)) < scores.probability
    return fit_concept_reference(scores.logit, outcomes.astype(np.uint8))
