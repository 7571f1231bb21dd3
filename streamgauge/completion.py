"""What a shell completes: values of options that have choices, and ids of training runs.

Each function gets the beginning of a word and never raises: a shell shows what is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

#: Run ids that are offered, the newest first.
MOST_RUNS = 30
#: Names that stand for a run beside its id.
ROLES = ("production", "previous")


def one_of(*values: str) -> Callable[[str], list[str]]:
    """A completion of fixed values.

    >>> one_of("newton", "sgd")("n")
    ['newton']
    """

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def run_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of the runs in the MiniFlow directory that settings and the options before say, the newest first."""
    folders = [folder for folder in _runs(ctx.params) if folder.name.startswith(incomplete)]
    return [folder.name for folder in sorted(folders, key=_changed, reverse=True)[:MOST_RUNS]]


def run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The roles that a run can have, and the ids."""
    return one_of(*ROLES)(incomplete) + run_ids(ctx, incomplete)


def _runs(options: dict[str, Any]) -> list[Path]:
    from core.errors import StreamgaugeError  # noqa: PLC0415  (only completion of runs needs the settings)
    from core.settings import load_settings  # noqa: PLC0415  (as above)

    try:
        settings = load_settings({name: options.get(name) for name in ("pipeline", "miniflow")})
        return list((Path(settings.miniflow) / "experiments" / settings.pipeline / "runs").iterdir())
    except (StreamgaugeError, OSError):
        return []


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
