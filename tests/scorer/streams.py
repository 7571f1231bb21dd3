"""What a pipeline's first partition holds; waits by blocking reads."""

from __future__ import annotations

from collections import Counter

from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import SCORERS, PipelineKeys
from core.prediction import Prediction, PredictionBlock, decode_prediction
from core.rejection import Rejection, decode_rejection

#: How long a test waits for a result before it fails.
PATIENCE_MS = 10_000


class Streams:
    """The streams of partition 0."""

    def __init__(self, connection: Connection, keys: PipelineKeys) -> None:
        self.connection = connection
        self.keys = keys
        self.partition = keys.partition(0)

    def add(self, *fields: str | bytes | int | float) -> bytes:
        """What any client in any language does."""
        return bytes(self.connection.call("XADD", self.partition.records, "*", *fields))

    def entries(self, stream: str) -> list[Entry]:
        return entries_of(self.connection.call("XRANGE", stream, "-", "+"))

    def predictions(self) -> list[Prediction | PredictionBlock]:
        return [decode_prediction(entry) for entry in self.entries(self.partition.predictions)]

    def rejections(self) -> list[Rejection]:
        return [decode_rejection(entry) for entry in self.entries(self.partition.rejected)]

    def answered_rows(self) -> Counter[tuple[bytes, int]]:
        """How often each row of each entry was answered, with a prediction or a rejection."""
        answered: Counter[tuple[bytes, int]] = Counter()
        for prediction in self.predictions():
            numbers = prediction.rows.tolist() if isinstance(prediction, PredictionBlock) else [prediction.row]
            answered.update((prediction.record, row) for row in numbers)
        for rejection in self.rejections():
            numbers = rejection.block_rows.rows.tolist() if rejection.block_rows else [0]
            answered.update((rejection.record, row) for row in numbers)
        return answered

    def await_results(self, wanted: set[bytes], after: dict[str, bytes] | None = None) -> dict[str, bytes]:
        """Wait until each record has a result behind those of ``after``; the newest that were seen, by stream."""
        last = after or dict.fromkeys((self.partition.predictions, self.partition.rejected), b"0-0")
        missing = set(wanted)
        while missing:
            reply = self.connection.call(
                "XREAD", "COUNT", 1000, "BLOCK", PATIENCE_MS, "STREAMS", *last, *last.values()
            )
            assert reply, f"{len(missing)} of {len(wanted)} records have no result: {sorted(missing)[:5]}"
            for stream, items in reply:
                for entry in entries_of(items):
                    missing.discard(entry.fields[entry.fields.index(b"record") + 1])
                    last[stream.decode()] = entry.id
        return last

    def pending(self) -> int:
        return int(self.connection.call("XPENDING", self.partition.records, SCORERS)[0])

    def consumers(self) -> list[str]:
        reply = self.connection.call("XINFO", "CONSUMERS", self.partition.records, SCORERS)
        return [consumer[1].decode() for consumer in reply]
