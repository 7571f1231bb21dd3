"""One entry of the labels stream: a plain label, or a block of many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.entry import WIRE_VERSION, Entry, field_map
from core.errors import RecordError
from core.number import shown
from core.record_fields import check_id, parse_label
from core.rejection import Rejection


@dataclass(frozen=True, eq=False)
class LabelEntry:
    """What an entry says, and what of it could not be used."""

    labels: list[tuple[bytes, float]]  #: record id, 0 or 1
    fault: Rejection | None  #: the whole entry, or the pairs of a block that are wrong


def decode_label_entry(entry: Entry, classes: tuple[str, str]) -> LabelEntry:
    """Read an entry; of a block the good pairs count and the bad ones are the fault.

    Reasons: ``unknown_version``, ``duplicate_field``, ``bad_field`` (an id or a label that cannot be read),
    ``bad_block`` (counts or bytes that do not fit).
    """
    try:
        given = _fields(entry)
        if b"_ids" in given or b"_y" in given:
            return _block(entry, given)
        return LabelEntry([_plain(given, classes)], None)
    except RecordError as error:
        return LabelEntry([], set_aside(entry, error))


def set_aside(entry: Entry, error: RecordError, fields: list[bytes] | None = None) -> Rejection:
    """What the unmatched stream keeps of an entry: its id, the reason, its fields or the given part of them."""
    given = field_map(entry.fields).get(b"id")
    return Rejection(
        entry.id,
        error.reason,
        error.detail,
        id=given if fields is None else None,
        entry=entry.fields if fields is None else fields,
    )


def unmatched_fields(rejection: Rejection, source: str) -> list[bytes]:
    """Fields of the unmatched stream, without ``ts``; ``source`` says which stream the entry ``record`` is of."""
    return [*rejection.encode(), b"source", source.encode()]


def block_fields(labels: list[tuple[bytes, float]]) -> list[bytes]:
    """Labels as the fields of a block."""
    values = np.array([label for _, label in labels], dtype="<f8")
    return [b"_ids", b"\n".join(record_id for record_id, _ in labels), b"_y", values.tobytes()]


def _fields(entry: Entry) -> dict[bytes, bytes]:
    given = field_map(entry.fields)
    if given.get(b"_v", WIRE_VERSION) != WIRE_VERSION:
        raise RecordError("unknown_version", f"_v is {shown(given[b'_v'])}; this program knows version 1")
    if 2 * len(given) != len(entry.fields):
        raise RecordError("duplicate_field", "a field occurs twice; send each field once")
    return given


def _plain(given: dict[bytes, bytes], classes: tuple[str, str]) -> tuple[bytes, float]:
    for name in (b"id", b"y"):
        if name not in given:
            raise RecordError("bad_field", f"a label has no field {name.decode()}; send id and y, or _ids and _y")
    record_id = check_id(given[b"id"], "id")
    label = parse_label(given[b"y"], classes, "y")
    if np.isnan(label):
        raise RecordError("bad_field", "y is empty; send 0, 1 or a class name")
    return record_id, label


def _block(entry: Entry, given: dict[bytes, bytes]) -> LabelEntry:
    if b"_ids" not in given or b"_y" not in given:
        raise RecordError("bad_block", "a block of labels needs both _ids and _y; send both")
    ids, values = given[b"_ids"].split(b"\n"), given[b"_y"]
    if len(values) != 8 * len(ids):
        raise RecordError(
            "bad_block", f"_y has {len(values)} bytes for {len(ids)} ids; send one little-endian float64 an id"
        )
    labels: list[tuple[bytes, float]] = []
    bad: list[tuple[bytes, float]] = []
    first: RecordError | None = None
    for record_id, label in zip(ids, np.frombuffer(values, "<f8").tolist(), strict=True):
        try:
            _check_pair(record_id, label)
        except RecordError as error:
            first = first or error
            bad.append((record_id, label))
        else:
            labels.append((record_id, label))
    return LabelEntry(labels, None if first is None else set_aside(entry, first, block_fields(bad)))


def _check_pair(record_id: bytes, label: float) -> None:
    check_id(record_id, "_ids")
    if label not in {0.0, 1.0}:
        raise RecordError("bad_field", f"_y of id {shown(record_id)} is {label}; send 0 or 1")
