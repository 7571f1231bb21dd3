"""Rejections as JSON lines: written for any tool to correct, and read back.

Bytes that are no UTF-8 text stand as ``base64:...``, so nothing is lost on the way.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import numpy as np

from core.errors import DataError, RecordError
from core.number import shortest
from core.record_fields import parse_event_time_ms
from streamgauge.redrive.draft import Draft, FieldsDraft, RowsDraft
from streamgauge.redrive.selection import RejectedEntry

_BASE64 = "base64:"
#: Keys of a row that are no feature.
_ROW, _ID, _LABEL = "_row", "_id", "_y"

Scalar = str | int | float


class RejectionLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rejection; ``fields`` of a plain record (a repeated field has a list), or ``rows`` of a block.

    Only ``partition``, ``rejection``, ``ts`` and the corrected ``fields`` or ``rows`` are read back. A value of a
    row that is null is nan, which no scorer takes.
    """

    partition: Annotated[int, msgspec.Meta(ge=0)]
    #: entry id in the rejected stream
    rejection: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}-[0-9]{1,19}$")]
    record: str = ""  #: entry id of the original
    reason: str = ""
    detail: str = ""
    fields: dict[str, Scalar | list[Scalar]] | None = None
    rows: list[dict[str, Scalar | None]] | None = None
    ts: int | None = None  #: event time of the rows


def line_of(found: RejectedEntry, draft: Draft) -> RejectionLine:
    """A draft as a line of an export."""
    rejection = found.rejection
    told = (rejection.record.decode(), rejection.reason, rejection.detail)
    line = RejectionLine(found.partition.number, found.entry_id.decode(), *told)
    if isinstance(draft, FieldsDraft):
        return msgspec.structs.replace(line, fields=_field_texts(draft))
    return msgspec.structs.replace(line, rows=_row_texts(draft), ts=draft.event_time_ms)


def read_lines(text: bytes, name: str) -> dict[tuple[int, str], RejectionLine]:
    """Lines by partition and rejection.

    Raises
    ------
    DataError
        A line that is none; named by its number.
    """
    lines: dict[tuple[int, str], RejectionLine] = {}
    for number, one in enumerate(text.splitlines(), start=1):
        if not one.strip():
            continue
        try:
            line = msgspec.json.decode(one, type=RejectionLine)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DataError(
                f"line {number} of {name} is no exported rejection ({error}); correct it or export again"
            ) from error
        if (line.fields is None) == (line.rows is None):
            raise DataError(f"line {number} of {name} needs fields or rows; correct it or export again")
        key = (line.partition, line.rejection)
        if key in lines:
            raise DataError(f"line {number} of {name} repeats rejection {line.rejection}; keep one of the two")
        lines[key] = line
    return lines


def corrected_by(line: RejectionLine, draft: Draft) -> Draft:
    """The draft with the values of a line. Raises RecordError where it does not fit what was rejected."""
    if line.fields is not None:
        default_ids = draft.default_ids
        if isinstance(draft, RowsDraft):
            raise RecordError("bad_block", "its line has fields, but it is rows of a block; give rows")
        fields: list[bytes] = []
        for name, value in line.fields.items():
            if isinstance(value, list):
                raise RecordError("duplicate_field", f"field {name!r} has several values; keep one")
            fields += [_bytes(name), _bytes(value)]
        return FieldsDraft(fields, default_ids)
    if not isinstance(draft, RowsDraft):
        raise RecordError("bad_block", "its line has rows, but its block cannot be read as rows; give fields")
    return _rows_of(line, draft)


def _rows_of(line: RejectionLine, draft: RowsDraft) -> RowsDraft:
    rows = line.rows or []
    if [row.get(_ROW) for row in rows] != list(draft.rows):
        raise RecordError(
            "bad_block", f"its line must have its {len(draft.rows)} rows in their order; it is sent whole or not"
        )
    names = tuple(name for name in rows[0] if name not in {_ROW, _ID, _LABEL})
    expected = set(names)
    for row in rows:
        if set(row) - {_ROW, _ID, _LABEL} != expected:
            raise RecordError(
                "bad_block", f"row {row[_ROW]} has other fields than the first; give all rows the same"
            )
    ids = tuple(
        default if (given := row.get(_ID)) is None else _bytes(given)
        for row, default in zip(rows, draft.default_ids, strict=True)
    )
    x = np.array([[_number(row[name], name) for name in names] for row in rows]).reshape(len(rows), len(names))
    labels = np.array([_number(row.get(_LABEL), _LABEL) for row in rows])
    event_time_ms = None if line.ts is None else parse_event_time_ms(b"%d" % line.ts)
    return replace(
        draft,
        names=names,
        x=x,
        ids=ids,
        labels=None if np.isnan(labels).all() else labels,
        event_time_ms=event_time_ms,
    )


def _field_texts(draft: FieldsDraft) -> dict[str, Scalar | list[Scalar]]:
    texts: dict[str, list[Scalar]] = {}
    for name, value in zip(draft.fields[::2], draft.fields[1::2], strict=True):
        texts.setdefault(_text(name), []).append(_text(value))
    return {name: values[0] if len(values) == 1 else values for name, values in texts.items()}


def _row_texts(draft: RowsDraft) -> list[dict[str, Scalar | None]]:
    rows = []
    for index, number in enumerate(draft.rows):
        values = draft.x[index].tolist()
        row: dict[str, Scalar | None] = {_ROW: number, _ID: _text(draft.ids[index])}
        row |= {
            name: value if math.isfinite(value) else None for name, value in zip(draft.names, values, strict=True)
        }
        if draft.labels is not None:
            label = float(draft.labels[index])
            row[_LABEL] = None if math.isnan(label) else label
        rows.append(row)
    return rows


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = _BASE64
    if text.startswith(_BASE64):  # also a text that only looks so
        return _BASE64 + base64.b64encode(value).decode()
    return text


def _bytes(value: Scalar) -> bytes:
    if isinstance(value, float):
        return shortest(value).encode()
    text = str(value)
    if not text.startswith(_BASE64):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_BASE64), validate=True)
    except binascii.Error as error:
        raise RecordError("bad_field", f"a value begins with base64: but is none ({error})") from error


def _number(value: Any, name: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError("not_a_number", f"{name} of a row is {value!r:.40}; give a number")
    return float(value)
