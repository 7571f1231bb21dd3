"""YAML documents as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.ops.tools import use_packages

use_packages()

import yaml  # noqa: E402  (only now can it be found)


def documents(text: str | Path) -> list[Any]:
    """The documents of a YAML text or file; empty ones left out."""
    if isinstance(text, Path):
        text = text.read_text(encoding="utf-8")
    # the parser in C: the one in Python takes a second for a rendered overlay
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document is not None]


def as_yaml(*contents: Any) -> str:
    """Plain data as YAML, keys in the order given."""
    return str(yaml.safe_dump_all(contents, sort_keys=False, width=10_000))
