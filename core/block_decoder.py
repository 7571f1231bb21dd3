"""Blocks: many rows in one entry, read without a copy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.entry import Entry, field_map
from core.errors import RecordError
from core.model import Floats
from core.number import shown
from core.record_fields import check_id, parse_event_time_ms
from core.rejection import RejectedRows, Rejection
from core.schema import Schema

_COUNT = re.compile(rb"[1-9][0-9]{0,8}")


@dataclass(eq=False)
class DecodedBlock:
    """Usable rows of one block, and the rejections of its other rows."""

    x: Floats  #: (n, d)
    ids: tuple[bytes, ...] | None
    labels: Floats | None  #: (n,) 0, 1 or nan
    event_time_ms: int | None
    rows: NDArray[np.int32] | None = None  #: numbers of the usable rows, only where some were rejected
    rejections: list[Rejection] = field(default_factory=list)


def decode_block(entry: Entry, schema: Schema) -> DecodedBlock:
    """Read a block.

    Raises
    ------
    RecordError
        ``bad_field``, ``bad_block`` or ``unknown_schema`` where the whole entry cannot be used.
    """
    fields = field_map(entry.fields)
    event_time_ms = parse_event_time_ms(fields[b"_ts"]) if b"_ts" in fields else None
    count = _row_count(fields)
    ids = _ids(fields, count)
    labels = _labels(fields, count)
    _check_schema(fields, schema)
    payload = fields[b"_x"]
    if len(payload) != 8 * count * schema.width:
        raise RecordError(
            "bad_block",
            f"_x has {len(payload)} bytes for _n = {count} rows of {schema.width} features; "
            f"send {8 * count * schema.width}",
        )
    x = np.frombuffer(payload, dtype="<f8").reshape(count, schema.width)
    block = DecodedBlock(x, ids, labels, event_time_ms)
    return _without_bad_rows(entry, block, schema)


def decode_alike_blocks(fields: list[list[bytes]], names: list[bytes], schema: Schema) -> Floats | None:
    """The rows (n, d) of blocks that all have the fields ``names``, one after the other.

    None where they differ in their number of rows, or anything about them is wrong.
    """
    if b"_x" not in names or b"_schema" not in names:
        return None
    n_at, x_at, schema_at = (2 * names.index(name) + 1 for name in (b"_n", b"_x", b"_schema"))
    count = fields[0][n_at]
    fingerprint = schema.fingerprint.encode()
    if {each[n_at] for each in fields} != {count} or {each[schema_at] for each in fields} != {fingerprint}:
        return None
    payloads = [each[x_at] for each in fields]
    if not _COUNT.fullmatch(count) or set(map(len, payloads)) != {8 * int(count) * schema.width}:
        return None
    x = np.frombuffer(payloads[0] if len(payloads) == 1 else b"".join(payloads), dtype="<f8")
    return x.reshape(-1, schema.width) if np.isfinite(x).all() else None


def _row_count(fields: dict[bytes, bytes]) -> int:
    if not _COUNT.fullmatch(fields[b"_n"]):
        raise RecordError("bad_block", f"_n is {shown(fields[b'_n'])}; send the number of rows, 1 or more")
    if b"_x" not in fields:
        raise RecordError("bad_block", "_x is missing; a block sends its rows there as float64 bytes")
    count = int(fields[b"_n"])
    if len(fields[b"_x"]) % (8 * count) or not fields[b"_x"]:
        raise RecordError("bad_block", f"_x has {len(fields[b'_x'])} bytes, which is not {count} rows of float64")
    return count


def _check_schema(fields: dict[bytes, bytes], schema: Schema) -> None:
    if b"_schema" not in fields:
        raise RecordError("bad_block", f"_schema is missing; send {schema.fingerprint} for this model's features")
    if fields[b"_schema"] != schema.fingerprint.encode():
        raise RecordError(
            "unknown_schema",
            f"_schema is {shown(fields[b'_schema'])}; production expects {schema.fingerprint}, "
            "send its features in its order",
        )


def _ids(fields: dict[bytes, bytes], count: int) -> tuple[bytes, ...] | None:
    if b"_ids" not in fields:
        return None
    found = fields[b"_ids"].count(b"\n") + 1
    if found != count:
        raise RecordError("bad_block", f"_ids has {found} ids for _n = {count} rows; send one a row")
    return tuple(fields[b"_ids"].split(b"\n"))


def _labels(fields: dict[bytes, bytes], count: int) -> Floats | None:
    if b"_y" not in fields:
        return None
    if len(fields[b"_y"]) != 8 * count:
        raise RecordError(
            "bad_block", f"_y has {len(fields[b'_y'])} bytes for _n = {count} rows; send {8 * count}"
        )
    return np.frombuffer(fields[b"_y"], dtype="<f8")


def _without_bad_rows(entry: Entry, block: DecodedBlock, schema: Schema) -> DecodedBlock:
    """Split off rows with an unreadable id or label, then rows that are not finite."""
    bad_field = np.zeros(len(block.x), dtype=bool)
    details: dict[int, str] = {}
    if block.ids is not None:
        for row, record_id in enumerate(block.ids):
            try:
                check_id(record_id, f"id of row {row}")
            except RecordError as error:
                bad_field[row] = True
                details[row] = error.detail
    if block.labels is not None:
        wrong = ~(np.isnan(block.labels) | (block.labels == 0.0) | (block.labels == 1.0))
        for wrong_row in np.flatnonzero(wrong & ~bad_field).tolist():
            value = float(block.labels[wrong_row])
            details[wrong_row] = f"_y of row {wrong_row} is {value!r}; send 0, 1 or nan for unknown"
        bad_field |= wrong
    not_finite = ~np.isfinite(block.x).all(axis=1) & ~bad_field
    if not (bad_field.any() or not_finite.any()):
        return block
    rejections: list[Rejection] = []
    for reason, bad in (("bad_field", bad_field), ("not_finite", not_finite)):
        if bad.any():
            chosen = np.flatnonzero(bad)
            ids = None if block.ids is None else tuple(block.ids[row] for row in chosen)
            first = int(chosen[0])
            detail = details[first] if reason == "bad_field" else _first_not_finite(block.x, first, schema)
            rows = RejectedRows(chosen.astype(np.int32), block.x[chosen], schema.fingerprint, ids)
            rejections.append(Rejection(entry.id, reason, detail, block_rows=rows))
    good = np.flatnonzero(~bad_field & ~not_finite).astype(np.int32)
    return DecodedBlock(
        np.ascontiguousarray(block.x[good]),
        None if block.ids is None else tuple(block.ids[row] for row in good),
        None if block.labels is None else block.labels[good],
        block.event_time_ms,
        good,
        rejections,
    )


def _first_not_finite(x: Floats, row: int, schema: Schema) -> str:
    column = int(np.argmax(~np.isfinite(x[row])))
    return f"{schema.features[column]} of row {row} is {float(x[row, column])!r}; send finite numbers"
