"""The groups whose backlog holds a producer back, as the pipeline's config names them now."""

from __future__ import annotations

from collections.abc import Callable


class BacklogGroups:
    """Group names that can be read anew: ``streamgauge groups retire`` changes them while producers run."""

    def __init__(self, names: tuple[str, ...], read: Callable[[], tuple[str, ...]]) -> None:
        self.names = names
        self._read = read

    def refresh(self) -> bool:
        """Read them again; whether they changed."""
        before, self.names = self.names, self._read()
        return self.names != before
