"""Fields of a struct with their kinds in words and the comments beside them."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import UnsetType

from docs.source.comments import field_comments
from docs.source.markdown import code, slug, table

_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


class Field(NamedTuple):
    """A field of an entry or of an answer."""

    name: str
    kind: str  #: in words
    words: str


def struct_fields(struct: type[msgspec.Struct], none: str = "") -> tuple[Field, ...]:
    """The fields of a struct in order; ``none`` is added to the kind of those that may be None."""
    comments = field_comments(struct)
    return tuple(
        Field(
            field.encode_name, kind_in_words(field.type, none), _as_json(in_markdown(comments.get(field.name, "")))
        )
        for field in msgspec.structs.fields(struct)
    )


def structs_of(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """A struct and those in its fields, each once, in the order in which they are met."""
    found: list[type[msgspec.Struct]] = []

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in found:
            found.append(kind)
            for field in msgspec.structs.fields(kind):
                visit(field.type)
        for part in get_args(kind):
            visit(part)

    visit(struct)
    return found


def field_table(fields: tuple[Field, ...]) -> str:
    """A table of fields."""
    return table(("field", "kind", "what"), [(code(field.name), field.kind, field.words) for field in fields])


def in_markdown(comment: str) -> str:
    """A comment of the code, whose ``names`` are in two backticks, as Markdown has it."""
    return comment.replace("``", "`")


def _as_json(comment: str) -> str:
    """A comment about a value as its reader meets it."""
    return re.sub(r"\bNone\b", "null", comment)


def kind_in_words(kind: Any, none: str = "") -> str:
    """A type in words.

    >>> kind_in_words(dict[str, float]), kind_in_words(list[int] | None, " or null")
    ('map of number', 'list of whole number or null')
    """
    parts = get_args(kind)
    if get_origin(kind) in {Union, UnionType}:
        given = [kind_in_words(part) for part in parts if part not in {NoneType, UnsetType}]
        return " or ".join(given) + (none if NoneType in parts else "")
    if get_origin(kind) is Literal:
        return ", ".join(code(str(part)) for part in parts)
    if get_origin(kind) in {list, tuple, dict}:
        what = "map" if get_origin(kind) is dict else "list"
        return f"{what} of {kind_in_words(parts[1 if what == 'map' else 0], ' or null')}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return f"[{kind.__name__}](#{slug(kind.__name__)})"
    return _KINDS[kind]
