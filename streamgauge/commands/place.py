"""Options that stand before or after a sub-command: either way they count."""

from __future__ import annotations

from dataclasses import dataclass

import typer


@dataclass(frozen=True)
class Place:
    """Which pipeline, and how to print."""

    redis_url: str | None
    pipeline: str | None
    as_json: bool

    def after(self, context: typer.Context) -> Place:
        """These options of a sub-command, else those that stood before it."""
        before = context.obj if isinstance(context.obj, Place) else Place(None, None, False)
        return Place(
            self.redis_url or before.redis_url, self.pipeline or before.pipeline, self.as_json or before.as_json
        )
