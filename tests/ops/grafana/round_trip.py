"""Keys that Grafana does not know: its own data model drops them when it reads a dashboard and writes it again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.ops.grafana.shipped import boards
from tests.ops.tools import use_packages

use_packages()

from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402  (only now can it be found)
from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: E402

with (
    warnings.catch_warnings()
):  # it would rather have dashboards of the new schema, which Grafana 12 does not need
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()


def dropped_keys(folder: Path) -> list[str]:
    """Where something stands in a dashboard that is not there after the round trip, or has another value."""
    found = []
    for name, board in boards(folder).items():
        read = Dashboard.from_json(board)
        written = json.loads(JSONEncoder(sort_keys=True).encode(read))
        found += [f"{name}: {path}" for path in _missing(board, written, "")]
    return found


def _missing(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from _missing(value, theirs[key], f"{path}/{key}")
            elif value is not None:
                yield f"{path}/{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (value, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _missing(value, other, f"{path}/{number}")
    elif ours != theirs:
        yield path
