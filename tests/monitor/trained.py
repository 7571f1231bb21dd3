"""Profiles and references of Gaussian rows, and streams fed to a drift engine."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from core.drift.bins import fit_bins
from core.drift.reference import DriftReference, fit_reference
from core.drift.reference_rows import ReferenceRows
from core.drift.statistics import SCALES
from core.drift.thresholds import CHANNELS, Thresholds
from core.drift.transform import fit_transform
from core.model import Floats
from core.profile import TrainingProfile, profile_rows
from monitor.drift_engine import DriftEngine, EngineState, Judgement, Limits
from tests.drift_references import QUICK_BLOCKS

LIMITS = Limits(budget=10_000.0, slide=250)


@dataclass(frozen=True, eq=False)
class Trained:
    """A profile and a reference of Gaussian rows; ``last`` of their features are constant."""

    profile: TrainingProfile
    reference: DriftReference
    weights: Floats

    def probability(self, x: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.nan_to_num(1.0 / (1.0 + np.exp(-np.clip(x @ self.weights, -50, 50))), nan=0.5)

    def engine(self, limits: Limits = LIMITS, state: EngineState | None = None) -> DriftEngine:
        return DriftEngine(self.profile, self.reference, limits, state)

    def rows(self, n: int, seed: int) -> Floats:
        return rows(n, len(self.weights), seed, int((~self.profile.varies).sum()))


def rows(n: int, d: int, seed: int, constants: int = 0) -> Floats:
    x = np.random.default_rng(seed).normal(size=(n, d))
    x[:, : d // 2] += 0.7 * x[:, :1]
    x[:, d - constants :] = 4.0
    return x


def trained(d: int, n: int = 500, constants: int = 0, r: float = 0.0) -> Trained:
    x = rows(n, d, 99, constants)
    profile = profile_rows(x, tuple(f"f{number}" for number in range(d)), 0)
    weights = np.linspace(-1.0, 1.0, d) / math.sqrt(d)
    some = Trained(profile, None, weights)  # type: ignore[arg-type]  # completed below
    index = np.flatnonzero(profile.varies)
    reference = fit_reference(ReferenceRows(x, some.probability(x), index), 0, blocks=QUICK_BLOCKS)
    if r:
        # as of an ordered reference: what is known of the record before matters then
        transform = reference.transform
        autocorrelation = np.full(len(index) + 1, r)
        transform = replace(transform, autocorrelation=autocorrelation, innovation=np.sqrt(1 - autocorrelation**2))
        reference = replace(reference, transform=transform)
    return replace(some, reference=reference)


SEVEN = trained(7, constants=1)
TWELVE_ORDERED = trained(12, r=0.4)


def play(
    some: Trained,
    x: Floats,
    cuts: Set[int] = frozenset(),
    engine: DriftEngine | None = None,
    stop: bool = True,
    slide: int = 250,
) -> list[tuple[int, Judgement]]:
    """Feed a stream; panes end when full or cut by an alarm. (Records so far, judgement) of each."""
    engine = engine or some.engine()
    probability = some.probability(x)
    said = []
    start = 0
    while start < len(x):
        end = min(len(x), start + slide - engine.pane_records)
        end = min([end, *(cut for cut in cuts if start < cut < end)])
        alarmed = engine.alarmed
        start += engine.take(x[start:end], probability[start:end], stop=stop)
        if engine.pane_records == slide or start == len(x) or (stop and engine.alarmed and not alarmed):
            said.append((start, engine.close_pane(2, 1)))
    return said


def as_bytes(judgements: list[tuple[int, Judgement]]) -> bytes:
    """Everything in them, to the bit."""
    return msgspec.msgpack.encode(
        [
            (
                place,
                {name: _plain(value) for name, value in vars(judgement).items() if name != "crossing"},
                judgement.crossing and {name: _plain(value) for name, value in vars(judgement.crossing).items()},
            )
            for place, judgement in judgements
        ]
    )


def _plain(value: object) -> object:
    return value.tobytes() if isinstance(value, np.ndarray) else value


def shifted(some: Trained, before: int, after: int, shift: float | Floats, seed: int = 5) -> Floats:
    x = some.rows(before + after, seed)
    x[before:] += shift
    return x


def five_hundred() -> Trained:
    """With thresholds that bounds give, since a calibration of so many takes long (Laurent and Massart 2000)."""
    x = rows(2_000, 500, 99)
    weights = np.linspace(-1.0, 1.0, 500) / 20.0
    profile = profile_rows(x, tuple(f"f{number}" for number in range(500)), 0)
    some = Trained(profile, SEVEN.reference, weights)
    transform, radius = fit_transform(x, some.probability(x), np.arange(500))
    columns = transform.columns(x, some.probability(x))
    rare = math.log(1e9)
    levels = np.full(len(CHANNELS), 10.0 * rare)
    levels[: len(SCALES)] = 500.0 + 2.0 * math.sqrt(500.0 * rare) + 2.0 * rare
    bins = fit_bins(np.concatenate([columns.feature, columns.probability, radius]))
    thresholds = Thresholds(levels, np.zeros(len(CHANNELS)))
    return replace(some, reference=DriftReference(2_000, transform, thresholds, bins, np.ones(1), 0))
