"""Whether the rows that judge an imported model may be among those that trained it."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import UnknownRun
from core.miniflow import MiniFlow, Parameter


def may_have_seen(params: Mapping[str, Parameter]) -> bool:
    """Whether a run's held-out rows are of a file that an imported model may have been trained on."""
    return params.get("imported") is not None and params.get("holdout") is None and not params.get("unseen")


def run_may_have_seen(miniflow: MiniFlow, run_id: str) -> bool:
    """The same of a run by its id; False where the run is not here."""
    try:
        return may_have_seen(miniflow.run(run_id).params)
    except UnknownRun:
        return False
