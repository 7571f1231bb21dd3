"""How monitors of one pipeline may live to the end of its records."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from core.connection import Connection
from core.keys import PipelineKeys
from core.settings import Settings
from tests.monitor.driver import Driver


@dataclass(frozen=True)
class Lives:
    """Monitors of a pipeline, killed and beside each other as dice say."""

    connection: Connection
    keys: PipelineKeys
    settings: Settings

    def undisturbed(self, dice: random.Random | None = None) -> None:
        """One monitor to the end; ``dice``: with reads of any size."""
        for _ in self._driver(dice).live():
            pass

    def killed(self, dice: random.Random) -> int:
        """One after the other, killed at any point; how many it took."""
        count, finished = 0, False
        while not finished:
            count += 1
            life = self._driver(dice).live()
            finished = all(dice.random() > 0.15 for _ in life)  # all() drops the generator at the first False
        return count

    def contested(self, dice: random.Random, killed_share: float = 0.0) -> list[int]:
        """Two at once, of which ``killed_share`` are killed and follow each other; the races that each lost."""
        rivals = [self._driver(dice) for _ in range(2)]
        lives = [rival.live() for rival in rivals]
        while lives:
            life = dice.choice(lives)
            if next(life, None) is None:
                lives.remove(life)
            elif killed_share and dice.random() < killed_share:
                rivals.append(self._driver(dice))
                lives[lives.index(life)] = rivals[-1].live()
        return [rival.lost_races for rival in rivals]

    def trimmed(self, dice: random.Random, trim: Callable[[], None]) -> None:
        """One after the other, killed now and then; ``trim`` is called wherever one pauses."""
        finished = False
        while not finished:
            finished = True
            for _ in self._driver(dice).live():
                trim()
                if dice.random() < 0.1:
                    finished = False
                    break

    def _driver(self, dice: random.Random | None) -> Driver:
        return Driver(self.connection, self.keys, self.settings, dice)
