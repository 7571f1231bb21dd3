"""The training profile as JSON, for people and other programs; the model file holds the authoritative copy."""

from __future__ import annotations

import msgspec

from core.drift_null import TAILS
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
    null_tails: list[float]
    null_quantiles: list[float]  #: of mean|Z|, Z ~ Normal(0, correlation); times sqrt(1/n + 1/N) for a window of n


def profile_document(profile: TrainingProfile) -> bytes:
    """Indented JSON of a profile."""
    document = ProfileDocument(
        profile.features,
        profile.rows,
        profile.seed,
        profile.mean.tolist(),
        profile.standard_deviation.tolist(),
        profile.correlation.tolist(),
        TAILS.tolist(),
        profile.null_quantiles.tolist(),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
