"""Labels on the labels stream: one by one, or many in one entry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from core.errors import DataError, RecordError
from core.record_encoder import as_bytes
from core.record_fields import check_id
from producer.packed import PackedEntry
from producer.record import RecordId, id_bytes

Label = float | str | bytes

#: Labels in one entry, before its bytes are looked at.
MAX_ENTRY_LABELS = 1_000


def label_fields(record_id: RecordId, label: Label) -> list[bytes]:
    """Fields of one label: 0, 1 or a class name that the model knows.

    Raises
    ------
    DataError
        An id that no record can have, or a number other than 0 and 1.
    """
    checked = _checked_id(record_id)
    value = label if isinstance(label, (str, bytes)) else b"%d" % _zero_or_one(label, checked)
    if not value:
        raise DataError(f"the label of {checked!r} is empty; give 0, 1 or a class name, or leave the record out")
    return [b"id", checked, b"y", as_bytes(value)]


def pack_labels(ids: Sequence[RecordId], labels: Sequence[Label], max_entry_bytes: int) -> Iterator[PackedEntry]:
    """Labels as entries: packed where all are numbers, else one entry each, for the model knows the class names.

    Raises
    ------
    DataError
        As :func:`label_fields`, or lengths that differ; then nothing is packed.
    """
    if len(ids) != len(labels):
        raise DataError(f"{len(ids)} ids and {len(labels)} labels do not pair up; give one label an id")
    if any(isinstance(label, (str, bytes)) for label in labels):
        yield from [PackedEntry(label_fields(i, label), 1) for i, label in zip(ids, labels, strict=True)]
        return
    checked = [_checked_id(record_id) for record_id in ids]
    numbers = np.array([_zero_or_one(label, i) for i, label in zip(checked, labels, strict=True)], dtype="<f8")
    start = 0
    while start < len(checked):
        stop, size_bytes = start, 0
        while stop < len(checked) and stop - start < MAX_ENTRY_LABELS:
            size_bytes += len(checked[stop]) + 9  # the newline and one float64
            if size_bytes > max_entry_bytes - 16 and stop > start:
                break
            stop += 1
        fields = [b"_ids", b"\n".join(checked[start:stop]), b"_y", numbers[start:stop].tobytes()]
        yield PackedEntry(fields, stop - start)
        start = stop


def _checked_id(record_id: RecordId) -> bytes:
    try:
        return check_id(id_bytes(record_id) or b"", "the id of a label")
    except RecordError as error:
        raise DataError(error.detail) from error


def _zero_or_one(label: Label, record_id: bytes) -> float:
    try:
        number = float(label)
    except (TypeError, ValueError):
        number = math.nan
    if number not in {0.0, 1.0}:
        raise DataError(f"the label of {record_id!r} is {label!r}; send 0, 1 or a class name")
    return number
