"""Which model was in production when: a pane is judged by the one that was when its first record came."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from core.connection import Connection
from core.entry import entries_of, field_map, parse_entry_id
from core.errors import ModelFileError, NoProductionModel, UnknownRun
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry

#: Model files held in memory: the judging one and those around a promotion.
MODELS_HELD = 4


@dataclass(frozen=True, eq=False)
class JudgingModel:
    """A model that judges windows."""

    run_id: str
    file: ModelFile


class ModelTimeline:
    """Promotions by the server's clock.

    It decides by entry ids, never by when this process heard of a promotion, so that a replay judges alike.
    """

    def __init__(self, connection: Connection, keys: PipelineKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._registry = RedisRegistry(connection, keys)
        self._times_ms: list[int] = []
        self._run_ids: list[str] = []
        self._last = b"0-0"
        self._held: dict[str, JudgingModel] = {}
        self._pruned: set[str] = set()

    def refresh(self) -> None:
        """Learn of new promotions; call it after the records were read whose panes they may judge."""
        reply = self._connection.call("XRANGE", self._keys.promotions, b"(" + self._last, "+")
        for entry in entries_of(reply):
            self._last = entry.id
            run_id = field_map(entry.fields).get(b"run_id")
            if run_id:
                self._times_ms.append(parse_entry_id(entry.id).ms)
                self._run_ids.append(run_id.decode("utf-8", "backslashreplace"))
                self._pruned.discard(self._run_ids[-1])  # a promotion stores its model again

    def reread(self) -> None:
        """Learn all promotions anew: a failover may have taken back one that this process knows."""
        self._times_ms, self._run_ids, self._last = [], [], b"0-0"
        self._pruned.clear()
        self.refresh()

    def at(self, time_ms: int) -> JudgingModel:
        """The model in production when a record of millisecond ``time_ms`` came; the first one if none was.

        Promotions of the same millisecond do not count yet: one of them may still follow whatever was read by now.
        Where a model is pruned, as it may be for the oldest records of a long backlog, the next one kept judges;
        so it does for a damaged one, unless that is still in production.

        Raises
        ------
        NoProductionModel
            Nothing has been promoted yet.
        ModelFileError
            The model in production is damaged.
        """
        for run_id in self._run_ids[max(0, bisect_left(self._times_ms, time_ms) - 1) :]:
            if run_id not in self._pruned:
                try:
                    return self._model(run_id)
                except UnknownRun:
                    self._pruned.add(run_id)
                except ModelFileError:  # looked at again, for it may be restored
                    continue
        return self._model(self._production())

    def known(self) -> bool:
        """Whether there is any model to judge by."""
        return bool(self._run_ids) or self._registry.production() is not None

    def production(self) -> tuple[str, int] | None:
        """Run id and time of the change (ms) of what is in production now."""
        production = self._registry.production()
        return None if production is None else (production.run_id, production.updated_ts_ms)

    def _production(self) -> str:
        production = self._registry.production()
        if production is None:
            raise NoProductionModel("there is no model in production yet; run streamgauge fit")
        return production.run_id

    def _model(self, run_id: str) -> JudgingModel:
        held = self._held.get(run_id)
        if held is None:
            held = JudgingModel(run_id, self._registry.model(run_id))
            while len(self._held) >= MODELS_HELD:
                del self._held[next(iter(self._held))]
            self._held[run_id] = held
        return held
