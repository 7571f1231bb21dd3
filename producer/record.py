"""One record from what a caller has: the fields of a plain record, or a row of a block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from core.entry import WIRE_VERSION
from core.errors import DataError, RecordError
from core.model import Floats
from core.number import parse_number
from core.record_encoder import as_bytes, encode_plain
from core.record_fields import check_id, parse_event_time_ms, parse_label
from core.schema import Schema
from core.traceparent import FIELD as TRACEPARENT
from producer.batcher import BlockRow

#: Fields a plain record may have: a server script hands at most 8,000 values to a command.
MAX_FIELDS = 3_900

Value = float | str | bytes | None
RecordId = str | bytes | int | None


def id_bytes(record_id: RecordId) -> bytes | None:
    """A record id as it stands on the wire; its rules are the scorer's to check. Raises DataError for no text."""
    if record_id is None or isinstance(record_id, bytes):
        return record_id
    try:
        return str(record_id).encode()
    except ValueError as error:  # half a surrogate pair, or a number of thousands of digits
        raise DataError(f"a record id cannot be written ({error}); send text that UTF-8 can hold") from error


def plain_fields(
    features: Mapping[str, Value],
    record_id: bytes | None,
    event_time_ms: int | str | bytes | None,
    label: Value,
    traceparent: bytes | None = None,
) -> list[bytes]:
    """Fields of a plain record; a value of None is left out, as is a label that is nan.

    Raises
    ------
    DataError
        A feature name that the wire reserves, a value that is neither number nor text, or too many fields.
    """
    values: dict[str, float | str | bytes] = {}
    for name, value in features.items():
        if not isinstance(name, str) or not name or name[0] == "_":
            raise DataError(f"feature name {name!r} is no text, empty or starts with an underscore; rename it")
        if value is not None:
            values[name] = value
    if len(values) > MAX_FIELDS:
        raise DataError(
            f"the record has {len(values)} features; send at most {MAX_FIELDS} in plain form, or a block"
        )
    try:
        fields = encode_plain(values, record_id)
        if event_time_ms is not None:
            fields += [b"_ts", as_digits(event_time_ms)]
        if label is not None and not is_unknown(label):
            fields += [b"_y", as_bytes(label)]
        if traceparent is not None:
            fields += [TRACEPARENT, traceparent]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"a value of {sorted(values)[:5]} is neither number nor text ({error}); mend it"
        ) from error
    return fields or [b"_v", WIRE_VERSION]  # an entry without fields cannot be written; this one is rejected whole


def block_row(
    schema: Schema,
    features: Mapping[str, Value],
    record_id: bytes | None,
    event_time_ms: int | str | bytes | None,
    label: Value,
    traceparent: bytes | None = None,
) -> BlockRow | None:
    """The record as a row of a block, or None where the plain form must carry it to its rejection."""
    try:
        values = [_number(features[name], name) for name in schema.features]
        return BlockRow(
            values,
            None if record_id is None else check_id(record_id),
            None if event_time_ms is None else parse_event_time_ms(as_digits(event_time_ms)),
            math.nan if label is None or is_unknown(label) else parse_label(as_bytes(label), schema.classes),
            traceparent,
        )
    except (KeyError, RecordError, TypeError, ValueError, OverflowError):
        return None


def is_unknown(label: Value) -> bool:
    """Whether a label says nothing: none, empty, or nan."""
    if isinstance(label, (str, bytes)):
        return not label
    return label is None or math.isnan(label)


def as_digits(event_time_ms: int | str | bytes) -> bytes:
    """An event time as it stands on the wire."""
    return b"%d" % event_time_ms if isinstance(event_time_ms, int) else as_bytes(event_time_ms)


def _number(value: Value, name: str) -> float:
    if isinstance(value, (str, bytes)):
        return parse_number(as_bytes(value), name)
    if value is None:
        raise KeyError(name)
    return float(value)


def checked_ids(ids: Sequence[RecordId], count: int, field: str = "an id") -> list[bytes]:
    """Ids of ``count`` rows as they stand on the wire. Raises DataError for one that no record can have."""
    if len(ids) != count:
        raise DataError(f"{len(ids)} {field.rsplit(maxsplit=1)[-1]}s for {count} rows; give one a row")
    try:
        return [check_id(id_bytes(record_id) or b"", field) for record_id in ids]
    except RecordError as error:
        raise DataError(error.detail) from error


def class_numbers(labels: Sequence[float | str | None] | Floats, count: int, schema: Schema) -> Floats:
    """(n,) 0, 1 or nan for unknown, from numbers and class names. Raises DataError for anything else."""
    if len(labels) != count:
        raise DataError(f"{len(labels)} labels for {count} rows; give one a row")
    try:
        return np.array(
            [
                np.nan
                if label is None or is_unknown(label)
                else parse_label(as_bytes(label), schema.classes, "a label")
                for label in labels
            ]
        )
    except RecordError as error:
        raise DataError(error.detail) from error
