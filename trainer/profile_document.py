"""The training profile as JSON, for people and other programs; the model file holds the authoritative copy."""

from __future__ import annotations

import msgspec
import numpy as np

from core.drift_null import TAILS, null_mean, null_standard_deviation
from core.profile import TrainingProfile

#: Where a run keeps it.
PROFILE_ARTIFACT = "train_profile.json"


class ProfileDocument(msgspec.Struct, frozen=True):
    """``train_profile.json``; standard deviations have divisor N."""

    features: tuple[str, ...]
    rows: int
    seed: int
    mean: list[float]
    standard_deviation: list[float]
    correlation: list[list[float]]
    # of mean|Z|, Z ~ Normal(0, correlation) over the features that vary; times sqrt(1/n + 1/N) for a window of n
    null_mean: float
    null_standard_deviation: float
    null_tails: list[float]
    null_quantiles: list[float]


def profile_document(profile: TrainingProfile) -> bytes:
    """Indented JSON of a profile."""
    varies = profile.varies
    moving = profile.correlation[np.ix_(varies, varies)]
    document = ProfileDocument(
        profile.features,
        profile.rows,
        profile.seed,
        profile.mean.tolist(),
        profile.standard_deviation.tolist(),
        profile.correlation.tolist(),
        null_mean(1.0) if len(moving) else 0.0,
        null_standard_deviation(moving, 1.0) if len(moving) else 0.0,
        TAILS.tolist(),
        profile.null_quantiles.tolist(),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
