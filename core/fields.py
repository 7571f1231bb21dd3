"""Flat structs as stream fields: one text field a value; lists and maps as JSON."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec.structs import FieldInfo

from core.entry import WIRE_VERSION, Entry, known_fields
from core.errors import RecordError
from core.number import shortest

#: Characters that are shown of what msgspec says of a field, which may repeat its whole value.
_SHOWN_CHARACTERS = 200

T = TypeVar("T", bound=msgspec.Struct)


def encode_fields(value: msgspec.Struct) -> list[bytes]:
    """Fields of a struct, ``_v`` first; None is left out."""
    fields = [b"_v", WIRE_VERSION]
    for field in _fields_of(type(value)):
        item = getattr(value, field.name)
        if item is not None:
            fields += [field.encode_name.encode(), _text(item)]
    return fields


def decode_fields(entry: Entry, kind: type[T]) -> T:
    """Read a struct from an entry; unknown fields are ignored.

    Raises
    ------
    RecordError
        ``bad_field`` where a field is missing or cannot be read, ``unknown_version`` where ``_v`` is not 1.
    """
    try:
        given = known_fields(entry)
    except ValueError as error:
        raise RecordError("unknown_version", f"entry {entry.id.decode()} cannot be read: {error}") from error
    values: dict[str, Any] = {}
    try:
        for field in _fields_of(kind):
            name = field.encode_name
            if name.encode() in given:
                values[name] = _value(given[name.encode()].decode(), field.type)
        return msgspec.convert(values, kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        said = str(error)[:_SHOWN_CHARACTERS]
        raise RecordError("bad_field", f"entry {entry.id.decode()} cannot be read: {said}") from error


@cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[FieldInfo, ...]:
    """Looked up once: msgspec evaluates the annotations anew at every call, a fifth of closing a window."""
    return msgspec.structs.fields(kind)


def _text(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bool):
        return b"1" if item else b"0"
    if isinstance(item, float):
        return shortest(item).encode()
    if isinstance(item, int):
        return b"%d" % item
    return msgspec.json.encode(item)


def _value(text: str, kind: Any) -> Any:
    """Lists and maps are JSON; the rest is converted from its text, which may look like JSON."""
    is_text = kind in {str, str | None}
    return text if is_text or text[:1] not in {"[", "{"} else msgspec.json.decode(text)
