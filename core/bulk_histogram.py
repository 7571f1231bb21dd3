"""A Prometheus histogram that takes many observations at once."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry


class BulkHistogram(Collector):
    """One series; the library's own histogram takes a microsecond for each of a thousand equal observations."""

    def __init__(
        self, name: str, documentation: str, pipeline: str, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._pipeline = pipeline
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, value: float, times: int = 1) -> None:
        """Take ``times`` observations of one value."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += times
            self._sum += value * times

    def observe_counts(self, counts: Sequence[int], total: float) -> None:
        """Take observations counted by bucket, at the end those above the last bound; ``total``: their sum."""
        with self._lock:
            self._counts = [before + more for before, more in zip(self._counts, counts, strict=True)]
            self._sum += total

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What the registry asks for; nothing as long as nothing was observed."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        if not any(counts):
            return
        buckets, so_far = [], 0
        for bound, count in zip(self._bounds, counts, strict=True):
            so_far += count
            buckets.append((str(bound) if bound < float("inf") else "+Inf", so_far))
        family = HistogramMetricFamily(self._name, self._documentation, labels=("pipeline",))
        family.add_metric((self._pipeline,), buckets, total)
        yield family
