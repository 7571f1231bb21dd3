"""What of a model's file the live state shows; a file is read once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.calibration import Calibration
from core.errors import ModelFileError, UnknownRun
from core.redis_registry import RedisRegistry
from monitor.live.training_shares import training_shares

#: Probabilities before calibration of which the threshold is one: finer than any picture of it.
GRID = np.linspace(0.0, 1.0, 1_001)

#: Models that are remembered: production's and, while scorers change, the one before.
MOST_MODELS = 3


@dataclass(frozen=True)
class ModelFacts:
    """A model in few words."""

    features: tuple[str, ...]
    classes: tuple[str, str]
    threshold: float
    raw_threshold: float | None  #: before calibration; None: it is not calibrated
    calibration: str | None  #: its kind
    train_rows: int
    training: tuple[float, ...]  #: (10,) shares of training rows by probability before calibration


class ModelShelf:
    """Reads each model once."""

    def __init__(self, registry: RedisRegistry) -> None:
        self._registry = registry
        self._facts: dict[str, ModelFacts] = {}
        self.trouble: str | None = None  #: why the model that was asked for last cannot be read

    def facts(self, run_id: str) -> ModelFacts | None:
        """Of one run; None where its bytes are not there or not whole: ``trouble`` says why."""
        self.trouble = None
        known = self._facts.pop(run_id, None)
        if known is not None:
            self._facts[run_id] = known  # the last to be forgotten
            return known
        try:
            file = self._registry.model(run_id)
        except (UnknownRun, ModelFileError) as error:
            self.trouble = str(error)
            return None
        model = file.model
        found = ModelFacts(
            model.schema.features,
            model.schema.classes,
            model.threshold,
            None if model.calibration is None else before_calibration(model.threshold, model.calibration),
            None if model.calibration is None else model.calibration.kind,
            file.profile.rows,
            tuple(training_shares(file.drift).tolist()),
        )
        self._facts[run_id] = found
        while len(self._facts) > MOST_MODELS:
            del self._facts[next(iter(self._facts))]
        return found


def before_calibration(threshold: float, calibration: Calibration) -> float:
    """The smallest probability before calibration that reaches a threshold after it; 1 where none does.

    >>> before_calibration(0.5, Calibration("platt", np.array([1.0, np.log(3)])))
    0.25
    """
    with np.errstate(divide="ignore"):
        logit = np.log(GRID) - np.log1p(-GRID)
    place = int(np.searchsorted(calibration.apply(logit), threshold))  # it never falls
    return float(GRID[min(place, len(GRID) - 1)])
