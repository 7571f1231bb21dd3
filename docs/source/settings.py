"""The tables of docs/settings.md, from the fields of ``core.settings.Settings``."""

from __future__ import annotations

import os
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import msgspec
from msgspec.structs import FieldInfo

from core.setting_checks import CHOICES
from core.settings import About, Settings, about
from docs.source.markdown import code, codes, table
from docs.source.quantity import bytes_in_words

#: Headings by the first setting below them, in the order of the struct.
GROUPS = {
    "redis_url": "Where everything is",
    "max_entry_bytes": "Records",
    "records_keep_ms": "How long they are kept",
    "shadow": "Scorer",
    "cluster_skew_ms": "Monitor",
    "retrain_every_s": "Trainer",
    "threshold": "The operating point",
}
_KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_HEAD = ("setting", "value", "default", "what")


def settings_tables() -> str:
    """A table for each group of settings."""
    parts: list[str] = []
    rows: list[tuple[str, ...]] = []
    for field in msgspec.structs.fields(Settings):
        if field.name in GROUPS:
            parts += [table(_HEAD, rows)] if rows else []
            parts.append(f"### {GROUPS[field.name]}\n")
            rows = []
        rows.append((code(field.name), _value(field), _default(field), _what(about(field.name))))
    return "\n" + "\n".join([*parts, table(_HEAD, rows)]) + "\n"


def _value(field: FieldInfo) -> str:
    if field.name in CHOICES:
        return codes(CHOICES[field.name])
    kind: Any = get_args(field.type)[0]
    given = [_KINDS[part] for part in get_args(kind) or (kind,) if part is not NoneType]
    return " or ".join(given)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return about(field.name).unset
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, int):
        return bytes_in_words(value) if field.name.endswith("_bytes") else f"{value:,}"
    return code(value) if isinstance(value, str) else f"{value:g}"


def _what(words: About) -> str:
    return f"{words.words}; see {page_link(words.page, 'settings.md')}" if words.page else words.words


def page_link(page: str, beside: str) -> str:
    """A link to a page below docs/ from another one, named by its heading or else its file."""
    path, _, heading = page.partition("#")
    name = heading.replace("-", " ") if heading else path.rpartition("/")[2].removesuffix(".md").replace("-", " ")
    relative = "" if path == beside else os.path.relpath(path, Path(beside).parent)
    return f"[{name}]({relative}{'#' if heading else ''}{heading})"
