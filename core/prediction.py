"""Predictions in both forms: one field a value for a plain record, arrays for a block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.entry import WIRE_VERSION, Entry, field_map
from core.model import Floats, Scores
from core.number import shortest
from core.record_decoder import RecordRows
from core.scoring import ScoredBatch

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Prediction:
    """One record's result."""

    id: bytes | None  #: None for a row of a block that gave no ids
    record: bytes  #: entry id of the record
    row: int
    predicted: int
    probability: float
    logit: float
    bias: float
    contributions: dict[str, float] | Floats  #: by feature (plain), or (d,) in schema order (block)
    model: str  #: run id
    ts_ms: int  #: when it was published, by the server's clock


@dataclass(frozen=True, eq=False)
class PredictionBlock:
    """The results of one block, as arrays over its answered rows."""

    record: bytes
    rows: NDArray[np.int32]  #: (n,) row numbers in the block
    ids: tuple[bytes, ...] | None
    predicted: NDArray[np.uint8]  #: (n,)
    probability: Floats  #: (n,)
    logit: Floats  #: (n,)
    contributions: Floats  #: (n, d)
    bias: float
    model: str
    ts_ms: int

    def __len__(self) -> int:
        return len(self.logit)

    def predictions(self) -> Iterator[Prediction]:
        """One prediction a row."""
        for index, row in enumerate(self.rows.tolist()):
            yield Prediction(
                None if self.ids is None else self.ids[index],
                self.record,
                row,
                int(self.predicted[index]),
                float(self.probability[index]),
                float(self.logit[index]),
                self.bias,
                self.contributions[index],
                self.model,
                self.ts_ms,
            )


class PredictionEncoder:
    """Encode scored batches for one model; what does not change between records is encoded once.

    Parameters
    ----------
    features
        Names in schema order.
    bias
        The model's intercept.
    run_id
        The model's run.
    partition
        Partition of the records, part of the default record id.
    """

    def __init__(self, features: tuple[str, ...], bias: float, run_id: str, partition: int) -> None:
        self._features = features
        self._bias = shortest(bias).encode()
        self._model = run_id.encode()
        self._partition = partition

    def encode(self, scored: ScoredBatch) -> Iterator[tuple[bytes, list[bytes]]]:
        """Entry id and result fields for each entry, without ``ts`` (the script adds the server's time)."""
        entries = scored.batch.entries
        plain = sum(rows.plain for rows in entries)  # they come first
        yield from self._plain(entries[:plain], scored.scores)
        for rows in entries[plain:]:
            yield rows.entry.id, self._block(rows, scored.scores)

    def _plain(self, entries: list[RecordRows], scores: Scores) -> Iterator[tuple[bytes, list[bytes]]]:
        """A record each; arrays become lists at once, which is faster than value by value."""
        count = len(entries)
        features, bias, model, partition = self._features, self._bias, self._model, self._partition
        for rows, predicted, probability, logit, contributions in zip(
            entries,
            scores.predicted[:count].tolist(),
            scores.probability[:count].tolist(),
            scores.logit[:count].tolist(),
            scores.contributions[:count].tolist(),
            strict=True,
        ):
            entry_id = rows.entry.id
            # fmt: off  (field and value side by side)
            fields = [
                b"_v",
                WIRE_VERSION,
                b"id",
                rows.ids[0] if rows.ids else b"%d-%b-0" % (partition, entry_id),
                b"record",
                entry_id,
                b"row",
                b"0",
                b"pred",
                b"1" if predicted else b"0",
                b"p_class1",
                repr(probability).encode(),
                b"logit",
                repr(logit).encode(),
                b"bias",
                bias,
                b"contrib",
                _json.encode(dict(zip(features, contributions, strict=True))),
                b"model",
                model,
            ]
            # fmt: on
            yield entry_id, fields

    def _block(self, rows: RecordRows, scores: Scores) -> list[bytes]:
        """All rows of one block."""
        part = slice(rows.start, rows.stop)
        fields = [b"_v", WIRE_VERSION, b"_n", b"%d" % rows.count, b"record", rows.entry.id]
        if rows.rows is not None:
            fields += [b"_rows", rows.rows.astype("<i4").tobytes()]
        if rows.ids is not None:
            fields += [b"_ids", b"\n".join(rows.ids)]
        # fmt: off  (field and value side by side)
        return [
            *fields,
            b"_pred",
            scores.predicted[part].tobytes(),
            b"_p",
            scores.probability[part].astype("<f8", copy=False).tobytes(),
            b"_logit",
            scores.logit[part].astype("<f8", copy=False).tobytes(),
            b"_contrib",
            scores.contributions[part].astype("<f8", copy=False).tobytes(),
            b"bias",
            self._bias,
            b"model",
            self._model,
        ]
        # fmt: on


def decode_prediction(entry: Entry) -> Prediction | PredictionBlock:
    """Read one entry of the predictions stream in the form it has."""
    fields = field_map(entry.fields)
    model, ts_ms, bias = fields[b"model"].decode(), int(fields[b"ts"]), float(fields[b"bias"])
    if b"_n" not in fields:
        return Prediction(
            fields[b"id"],
            fields[b"record"],
            int(fields[b"row"]),
            int(fields[b"pred"]),
            float(fields[b"p_class1"]),
            float(fields[b"logit"]),
            bias,
            msgspec.json.decode(fields[b"contrib"], type=dict[str, float]),
            model,
            ts_ms,
        )
    count = int(fields[b"_n"])
    rows = np.frombuffer(fields[b"_rows"], "<i4") if b"_rows" in fields else np.arange(count, dtype=np.int32)
    return PredictionBlock(
        fields[b"record"],
        rows,
        tuple(fields[b"_ids"].split(b"\n")) if b"_ids" in fields else None,
        np.frombuffer(fields[b"_pred"], np.uint8),
        np.frombuffer(fields[b"_p"], "<f8"),
        np.frombuffer(fields[b"_logit"], "<f8"),
        np.frombuffer(fields[b"_contrib"], "<f8").reshape(count, -1),
        bias,
        model,
        ts_ms,
    )
