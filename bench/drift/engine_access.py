"""The engine as the bench sees it: bench/drift/engine.py, loaded where it is needed."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bench.drift.run_length import Watcher
from core.errors import UsageError
from core.model import Floats

_MODULE = "bench.drift.engine"


class BuildWatcher(Protocol):
    """``build_watcher`` of the engine's adapter."""

    def __call__(
        self, reference: Floats, budget: float, *, known_truth: bool, ordered: bool = False, seed: int
    ) -> Watcher:
        """Calibrate on the (N, d) reference for one false alarm in ``budget`` records.

        ``known_truth``: the stream is drawn from the reference itself, which is then no estimate. ``ordered``: the
        reference is in stream order, and may be autocorrelated.
        """
        ...


class LabelWatcher(Protocol):
    """A detector over labelled records."""

    def restart(self) -> None:
        """Forget the stream."""
        ...

    def feed(self, probability: Floats, y: NDArray[np.uint8]) -> int | None:
        """Watch (n,) predicted probabilities of class 1 and their (n,) labels; the index of the first alarm."""
        ...


class BuildLabelWatcher(Protocol):
    """``build_label_watcher`` of the engine's adapter; it need not be there."""

    def __call__(self, probability: Floats, y: NDArray[np.uint8], budget: float, *, seed: int) -> LabelWatcher:
        """Calibrate on (m,) validation rows for one false alarm in ``budget`` labelled records."""
        ...


def load_engine() -> BuildWatcher:
    """``bench.drift.engine.build_watcher``.

    Raises
    ------
    UsageError
        There is no such module or function.
    """
    try:
        return cast(BuildWatcher, importlib.import_module(_MODULE).build_watcher)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the engine's adapter cannot be loaded ({error}); see bench/drift/engine.py") from error


def load_label_engine() -> BuildLabelWatcher | None:
    """``bench.drift.engine.build_label_watcher``, or None where the adapter has none.

    Raises
    ------
    UsageError
        There is no such module.
    """
    try:
        module = importlib.import_module(_MODULE)
    except ImportError as error:
        raise UsageError(f"the engine's adapter cannot be loaded ({error}); see bench/drift/engine.py") from error
    found = getattr(module, "build_label_watcher", None)
    return None if found is None else cast(BuildLabelWatcher, found)
