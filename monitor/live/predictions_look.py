"""Follows what the model says of the records."""

from __future__ import annotations

from collections.abc import Sequence

from core.connection import Connection
from core.entry import parse_entry_id
from core.keys import PartitionKeys
from monitor.live.model_facts import ModelFacts, ModelShelf
from monitor.live.newest_predictions import MOST_PREDICTIONS, read_newest
from monitor.live.partition_look import PartitionLook
from monitor.live.prediction_sample import PredictionSample
from monitor.live.prediction_view import PredictionsView, PredictionView
from monitor.live.training_shares import EDGES


class PredictionsLook:
    """Looks at probabilities and at the newest predictions; a stream without news is not read."""

    def __init__(self, connection: Connection, shelf: ModelShelf) -> None:
        self._connection = connection
        self._shelf = shelf
        self._sample = PredictionSample()
        self._last: dict[int, bytes] = {}
        self._newest: list[PredictionView] = []

    def look(
        self,
        partitions: Sequence[PartitionKeys],
        looks: Sequence[PartitionLook],
        rows_per_entry: Sequence[float],
        run_id: str | None,
        facts: ModelFacts | None,
    ) -> PredictionsView:
        """What is predicted now, by the partitions' looks; ``facts`` of run ``run_id``, which is in production."""
        changed = []
        for partition, look, rows in zip(partitions, looks, rows_per_entry, strict=True):
            last, now = self._last.get(partition.number), look.predictions.last
            if last is not None and parse_entry_id(now) < parse_entry_id(last):
                self._sample.forget(partition.number)
            if now != last and look.predictions.length:
                changed.append((partition, rows))
            self._last[partition.number] = now
        raw = facts is not None and facts.calibration is not None
        self._sample.look(self._connection, changed, run_id, raw=raw)
        by_number = {partition.number: partition for partition in partitions}
        newest = read_newest(self._connection, by_number, self._sample.newest, self._features)
        self._newest = [*newest, *self._newest][:MOST_PREDICTIONS]
        return PredictionsView(
            classes=("0", "1") if facts is None else facts.classes,
            threshold=0.5 if facts is None else facts.threshold,
            sampled=self._sample.rows,
            since_ms=self._sample.since_ms,
            edges=EDGES.tolist(),
            now=self._sample.shares,
            training=None if facts is None else list(facts.training),
            raw=raw,
            raw_threshold=None if facts is None else facts.raw_threshold,
            newest=self._newest,
        )

    def _features(self, run_id: str) -> tuple[str, ...]:
        facts = self._shelf.facts(run_id)
        return () if facts is None else facts.features
