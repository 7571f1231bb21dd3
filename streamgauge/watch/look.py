"""What the screen knows of a pipeline at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.live.state import LiveState

#: A state older than this is not the present any more, though nothing was said to be wrong.
STALE_S = 5.0


@dataclass(frozen=True)
class Look:
    """The newest state that could be read, and what keeps a newer one from being."""

    state: LiveState | None = None
    lost: str | None = None  #: why the last look failed
    age_s: float = 0.0  #: since ``state`` was read
    number: int = 0  #: how many looks there have been

    @property
    def stale(self) -> bool:
        """What is shown is of the past."""
        return self.lost is not None or self.age_s > STALE_S
