"""Our engine as the bench watches it: calibrated on a reference, fed raw rows, every feature detector on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.concept_reference import ConceptReference, fit_concept_reference
from core.drift.autocorrelation import estimate_autocorrelation
from core.drift.reference import DriftReference, fit_reference
from core.drift.reference_rows import ReferenceRows
from core.model import Floats, LogisticModel
from core.profile import TrainingProfile, profile_rows
from core.schema import Schema
from monitor.detectors.concept import ConceptDetector
from monitor.drift_engine import DriftEngine, Limits

#: Records a window, as the monitor's default.
WINDOW_RECORDS = 500


class EngineWatcher:
    """The feature detectors over windows of :data:`WINDOW_RECORDS` records."""

    name = "streamgauge"

    def __init__(
        self, profile: TrainingProfile, reference: DriftReference, model: LogisticModel, budget: float
    ) -> None:
        self._profile, self._reference, self._model = profile, reference, model
        self._limits = Limits(budget=budget, slide=WINDOW_RECORDS)
        self._engine: DriftEngine
        self.detector = ""  # which one raised the last alarm
        self.restart()

    def restart(self) -> None:
        """A new engine; the reference stays."""
        self._engine = DriftEngine(self._profile, self._reference, self._limits)

    def feed(self, x: Floats) -> int | None:
        """See :class:`bench.drift.run_length.Watcher`."""
        taken = 0
        engine = self._engine
        probability = self._model.score(x).uncalibrated  # as the monitor scores what it has read, all at once
        while taken < len(x):
            pane = slice(taken, taken + WINDOW_RECORDS - engine.pane_records)
            taken += engine.take(x[pane], probability[pane], stop=True)
            if engine.alarmed or engine.pane_records == WINDOW_RECORDS:
                crossing = engine.close_pane(0, 0).crossing
                if crossing is not None:
                    self.detector = crossing.channel
                    return taken - 1
        return None


class ConceptWatcher:
    """The label detector."""

    def __init__(self, reference: ConceptReference, budget: float) -> None:
        self._reference, self._budget = reference, budget
        self._detector: ConceptDetector
        self.restart()

    def restart(self) -> None:
        """Forget the stream."""
        self._detector = ConceptDetector(self._reference, self._budget)

    def feed(self, probability: Floats, y: NDArray[np.uint8]) -> int | None:
        """See :class:`bench.drift.engine_access.LabelWatcher`."""
        return self._detector.update(_logit(probability), y)


def build_watcher(
    reference: Floats, budget: float, *, known_truth: bool, ordered: bool = False, seed: int
) -> EngineWatcher:
    """Calibrate on (N, d) reference rows; see :class:`bench.drift.engine_access.BuildWatcher`.

    The prediction that is watched is that of a fixed model, which weighs all features alike with signs in turn.
    """
    width = reference.shape[1]
    names = tuple(f"feature_{number}" for number in range(width))
    profile = profile_rows(reference, names, seed)
    weights = np.where(np.arange(width) % 2, -1.0, 1.0) / np.sqrt(width)
    model = LogisticModel(Schema(names, ("no", "yes")), weights, 0.0, profile.mean, profile.standard_deviation)
    probability = model.score(reference).probability
    index = np.flatnonzero(profile.varies)
    rows = ReferenceRows(reference, probability, index)
    if ordered:
        before = np.vstack([np.full(rows.values.shape[1], np.nan), rows.values[:-1]])
        found = estimate_autocorrelation(rows.values, before)
        if found.autocorrelated:
            rows = ReferenceRows(reference, probability, index, found.coefficients, before)
    return EngineWatcher(profile, fit_reference(rows, seed, known_truth=known_truth), model, budget)


def build_label_watcher(
    probability: Floats,
    y: NDArray[np.uint8],
    budget: float,
    *,
    seed: int,  # noqa: ARG001  (the test needs no simulation; the bench gives every adapter a seed)
) -> ConceptWatcher:
    """See :class:`bench.drift.engine_access.BuildLabelWatcher`."""
    return ConceptWatcher(fit_concept_reference(_logit(probability), y), budget)


def _logit(probability: Floats) -> Floats:
    clipped = np.clip(probability, 1e-15, 1.0 - 1e-15)
    logit: Floats = np.log(clipped) - np.log1p(-clipped)
    return logit
