"""An entry that kills the monitor again and again is found, skipped, counted and said.

Processes that end without having closed a window are counted. After too many the next one is careful: it reads
little and writes down each entry before it looks at it. The entry at which careful processes died is given up. An
error that is waited out kills nobody and never counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from structlog.typing import FilteringBoundLogger

from core.connection import Connection
from core.entry import Entry
from core.keys import PipelineKeys
from core.log import shown_id
from core.merged_reader import PlacedEntry
from core.record_decoder import record_id_of
from core.settings import Settings

#: Fields of the monitor's hash; they vanish with the next window.
_STARTS, _TRYING, _SUSPECT, _DEATHS = "starts", "trying", "suspect", "deaths"


class PoisonGuard:
    """What this process knows of the deaths before it; made once a process."""

    def __init__(
        self, connection: Connection, keys: PipelineKeys, settings: Settings, log: FilteringBoundLogger
    ) -> None:
        self._connection = connection
        self._key = keys.monitor
        self._log = log
        starts = int(connection.call("HINCRBY", self._key, _STARTS, 1))
        trying, suspect, deaths = connection.call("HMGET", self._key, _TRYING, _SUSPECT, _DEATHS)
        count = int(deaths) if deaths is not None and deaths.isdigit() else 0
        if trying is not None:
            count = count + 1 if trying == suspect else 1
            suspect = trying
            connection.call("HSET", self._key, _SUSPECT, suspect, _DEATHS, count)
            connection.call("HDEL", self._key, _TRYING)
        self.careful = starts > settings.poison_deliveries
        self._poison: bytes | None = suspect if count >= settings.poison_lone_deaths else None
        self._fresh = True
        if self.careful:
            log.warning("no window was closed lately; looking at each entry alone", starts=starts)

    def parts(
        self,
        entries: list[PlacedEntry],
        streams: Mapping[int, str],
        production: Callable[[], tuple[str, int] | None],
    ) -> Iterator[list[PlacedEntry]]:
        """What to look at together; ask for the next part once the one before is done with.

        ``streams`` are the names by partition, ``production`` tells which run that is; both are only said.
        """
        if not self.careful:
            yield entries
            return
        for item in entries:
            name = b"%d-%b" % (item.partition, item.entry.id)
            if name == self._poison:
                model = production()
                self._log.error(
                    "entry skipped, it killed the monitor",
                    reason="poison",
                    stream=streams[item.partition],
                    record=str(item.id),
                    id=shown_id(record_id_of(item.entry)),
                    model=None if model is None else model[0],
                )
                yield [PlacedEntry(item.partition, item.id, Entry(item.entry.id, []))]
            else:
                self._connection.call("HSET", self._key, _TRYING, name)
                yield [item]
                self._connection.call("HDEL", self._key, _TRYING)

    def closed_window(self) -> bool:
        """All is well again; returns whether the process was careful until now."""
        if not self._fresh:
            return False
        self._connection.call("HDEL", self._key, _STARTS, _TRYING, _SUSPECT, _DEATHS)
        was_careful, self.careful, self._fresh = self.careful, False, False
        return was_careful
