"""Predictions as they are read, in both forms: one field a value for a plain record, arrays for a block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.entry import Entry, known_fields
from core.model import Floats
from core.traceparent import FIELD as TRACEPARENT


@dataclass(frozen=True, slots=True)
class Prediction:
    """One record's result."""

    id: bytes | None  #: None for a row of a block that gave no ids
    record: bytes  #: entry id of the record
    row: int
    predicted: int
    probability: float  #: of class 1, calibrated where the model is
    logit: float
    bias: float
    contributions: dict[str, float] | Floats  #: by feature (plain), or (d,) in schema order (block)
    model: str  #: run id
    ts_ms: int  #: when it was published, by the server's clock
    raw_probability: float | None = None  #: before calibration; None where the model has none
    traceparent: str | None = None  #: W3C trace context to continue, where the record belongs to a trace


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
    raw_probability: Floats | None = None  #: (n,) before calibration; None where the model has none
    traceparent: str | None = None  #: of the whole block

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
                None if self.raw_probability is None else float(self.raw_probability[index]),
                self.traceparent,
            )


def decode_prediction(entry: Entry) -> Prediction | PredictionBlock:
    """Read one entry of the predictions stream in the form it has.

    Raises KeyError, ValueError or msgspec.MsgspecError for what no scorer wrote,
    or one of a later version.
    """
    fields = known_fields(entry)
    model, ts_ms, bias = fields[b"model"].decode(), int(fields[b"ts"]), float(fields[b"bias"])
    trace = fields[TRACEPARENT].decode() if TRACEPARENT in fields else None
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
            float(fields[b"p_raw"]) if b"p_raw" in fields else None,
            trace,
        )
    count = int(fields[b"_n"])
    rows = np.frombuffer(fields[b"_rows"], "<i4") if b"_rows" in fields else np.arange(count, dtype=np.int32)
    block = PredictionBlock(
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
        np.frombuffer(fields[b"_p_raw"], "<f8") if b"_p_raw" in fields else None,
        trace,
    )
    lengths = {count, len(rows), len(block.predicted), len(block.probability), len(block.logit)}
    lengths |= {len(given) for given in (block.ids, block.raw_probability) if given is not None}
    if len(lengths) > 1:
        raise ValueError(f"entry {entry.id!r} holds arrays of different lengths for {count} rows")
    return block
