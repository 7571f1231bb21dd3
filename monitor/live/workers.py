"""Who works: consumers of the scorers' and the trainers' groups, and those that were there a moment ago."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from monitor.live.flow import Presence, WorkerView
from monitor.live.partition_look import ConsumerLook
from monitor.live.text import shown

#: Services ask twice a second; one that has not for so long is dead, or busy for unusually long.
SILENT_MS = 5_000
#: A trainer asks for nothing while it trains.
TRAINING_MS = 120_000
#: For how long one that has gone is still told.
LEFT_FOR_MS = 600_000
#: Most workers that are told.
MOST_WORKERS = 64

#: How often its turn must have passed before a scorer of an old server counts as silent.
TURNS = 3
_ORDER: dict[Presence, int] = {"working": 0, "silent": 1, "left": 2}

ServiceName = Literal["scorer", "trainer"]
_SCORER: Final[ServiceName] = "scorer"
_TRAINER: Final[ServiceName] = "trainer"


class _Key(NamedTuple):
    service: ServiceName
    name: bytes


@dataclass
class _Worker:
    """What is known of a consumer; of one on several streams, what was heard of it on any."""

    idle_ms: int
    pending: int
    old_server: (
        bool  #: the idle time of an older server than Redis 7.2 begins with the last entry that was handed out
    )
    seen_at_ms: int = 0  #: of the look
    silent: bool = False
    gone: bool = False


class Workers:
    """Follows the consumers from look to look."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Worker] = {}

    def look(
        self,
        now_ms: int,
        scorers: Iterable[ConsumerLook],
        trainers: Iterable[ConsumerLook],
        *,
        waiting_ms: int,
        entries_per_s: float | None,
    ) -> list[WorkerView]:
        """The workers now.

        Servers before Redis 7.2 tell only when a consumer was last given something. There a scorer without work
        looks like a dead one, so it counts as silent only while it holds entries, while records wait
        (``waiting_ms``: age of the oldest that no scorer was given), or while so many come (``entries_per_s``)
        that its turn, which goes round, has passed.
        """
        found: dict[_Key, _Worker] = {}
        for service, consumers in (_SCORER, scorers), (_TRAINER, trainers):
            for consumer in consumers:
                _merge(found, _Key(service, consumer.name), consumer, now_ms)
        turn_ms = 0.0
        if entries_per_s:
            turn_ms = TURNS * 1000.0 / entries_per_s * sum(key.service == _SCORER for key in found)
        for key, worker in found.items():
            worker.silent = _is_silent(key, worker, waiting_ms, turn_ms)
        for key, worker in self._known.items():
            if key in found or now_ms - worker.seen_at_ms + worker.idle_ms > LEFT_FOR_MS:
                continue
            if worker.gone or not _was_cleared_away(worker):
                worker.gone = True
                found[key] = worker
        self._known = found
        views = [_view(key, worker, now_ms) for key, worker in found.items()]
        views.sort(key=lambda view: (view.service, _ORDER[view.state], view.name))
        return views[:MOST_WORKERS]


def _merge(found: dict[_Key, _Worker], key: _Key, consumer: ConsumerLook, now_ms: int) -> None:
    known = found.get(key)
    if known is None:
        found[key] = _Worker(consumer.idle_ms, consumer.pending, consumer.inactive_ms is None, now_ms)
        return
    known.idle_ms = min(known.idle_ms, consumer.idle_ms)
    known.pending += consumer.pending


def _is_silent(key: _Key, worker: _Worker, waiting_ms: int, turn_ms: float) -> bool:
    if worker.idle_ms <= (TRAINING_MS if key.service == _TRAINER and worker.pending else SILENT_MS):
        return False
    if not worker.old_server or worker.pending:
        return True
    passed_over = turn_ms > 0 and worker.idle_ms > SILENT_MS + turn_ms
    return key.service == _SCORER and (waiting_ms > SILENT_MS or passed_over)


def _was_cleared_away(worker: _Worker) -> bool:
    """Whether others may have removed a consumer that lives and had nothing to do, as on an old server."""
    return worker.old_server and not worker.silent and worker.idle_ms > SILENT_MS and not worker.pending


def _view(key: _Key, worker: _Worker, now_ms: int) -> WorkerView:
    return WorkerView(
        name=shown(key.name),
        service=key.service,
        state="left" if worker.gone else "silent" if worker.silent else "working",
        seen_s=max(0, worker.idle_ms + now_ms - worker.seen_at_ms) / 1000,
        pending_entries=worker.pending,
    )
