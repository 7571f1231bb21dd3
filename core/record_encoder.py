"""Records as they go onto the wire, in either form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core.entry import WIRE_VERSION
from core.model import Floats
from core.number import shortest
from core.schema import Schema
from core.traceparent import FIELD as TRACEPARENT


def encode_plain(
    values: Mapping[str, float | str | bytes],
    record_id: str | bytes | None = None,
    event_time_ms: int | None = None,
    label: float | str | None = None,
) -> list[bytes]:
    """Fields of a plain record; numbers as the shortest text that reads back, text as it is.

    A label that is nan is unknown, as in a block, and stays away.
    """
    fields: list[bytes] = []
    for name, value in values.items():
        fields += [name.encode(), as_bytes(value)]
    if record_id is not None:
        fields += [b"_id", as_bytes(record_id)]
    if event_time_ms is not None:
        fields += [b"_ts", b"%d" % event_time_ms]
    if label is not None and label == label:  # noqa: PLR0124  (false for nan alone)
        fields += [b"_y", as_bytes(label)]
    return fields


def encode_block(
    x: Floats,
    schema: Schema,
    ids: Sequence[str | bytes] | None = None,
    event_time_ms: int | None = None,
    labels: Floats | None = None,
    traceparent: bytes | None = None,
) -> list[bytes]:
    """Fields of a block of rows ``x`` (n, d) in schema order; ``labels`` (n,) are 0, 1 or nan.

    Raises
    ------
    ValueError
        A shape that does not fit the schema, or ids or labels of another length.
    """
    if x.ndim != 2 or x.shape[1] != schema.width or not len(x):
        raise ValueError(f"rows have shape {x.shape}; a block needs (n, {schema.width}) with n at least 1")
    for name, column in (("ids", ids), ("labels", labels)):
        if column is not None and len(column) != len(x):
            raise ValueError(f"{len(column)} {name} for {len(x)} rows; give one a row")
    payload = np.ascontiguousarray(x, dtype="<f8").tobytes()
    fields = [b"_v", WIRE_VERSION, b"_n", b"%d" % len(x), b"_schema", schema.fingerprint.encode(), b"_x", payload]
    if ids is not None:
        fields += [b"_ids", b"\n".join(as_bytes(record_id) for record_id in ids)]
    if event_time_ms is not None:
        fields += [b"_ts", b"%d" % event_time_ms]
    if labels is not None:
        fields += [b"_y", np.ascontiguousarray(labels, dtype="<f8").tobytes()]
    if traceparent is not None:
        fields += [TRACEPARENT, traceparent]
    return fields


def as_bytes(value: float | str | bytes) -> bytes:
    """A value as it stands on the wire."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if type(value) is int and abs(value) < 2**63:  # a truth value is none
        return b"%d" % value
    return shortest(value).encode()
