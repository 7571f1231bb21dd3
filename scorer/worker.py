"""The worker: read, decode, score, commit. Each entry is acknowledged and answered in one step."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from core.channel import wait_for_reply
from core.connection import Connection, RedisError
from core.errors import GroupMissing, StreamgaugeError
from core.keys import SCORERS, PartitionKeys
from core.scripts.leave_group import leave_group
from core.settings import Settings
from core.takeover import GroupBatch, Takeover
from core.telemetry import Telemetry
from scorer.answer import Answer, Answerer
from scorer.group_recovery import recover_group
from scorer.lane import Lane
from scorer.model_watcher import ProductionModel
from scorer.tally import Tally

if TYPE_CHECKING:
    from core.open_telemetry import Tracer
    from scorer.trace import ScoreTracer


class Worker:
    """One consumer of a group, as a rule the scorers', over all partitions.

    Partitions that lie together share a lane, which keeps its server busy with the next read and the last commit
    while this one scores. What cannot be committed is kept and tried again before its lane reads anything new,
    which is safe: what another worker has answered meanwhile counts as late.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: tuple[PartitionKeys, ...],
        consumer: str,
        settings: Settings,
        telemetry: Telemetry,
        log: FilteringBoundLogger,
        group: str = SCORERS,
        tracer: Tracer | None = None,
    ) -> None:
        self._connection = connection
        self._partitions = partitions
        self._consumer = consumer
        self._settings = settings
        self._log = log
        self._group = group
        self._tally = Tally(telemetry, log)
        self._answerer = Answerer(
            partitions,
            consumer,
            settings.max_entry_bytes,
            lambda model: self._tally.show_run(model.run_id),
            group,
            None if tracer is None else self._score_tracer(tracer),
        )
        self._current: Callable[[], ProductionModel]
        self._lanes: list[Lane] = []
        self._taking_over = False  # there may be more to take over, which must not wait for new entries

    def join(self) -> None:
        """Create the group where it is missing; after a loss, what was answered before is not answered again."""
        for partition in self._partitions:
            self._join_group(partition)
        if not self._lanes:
            streams = [partition.records for partition in self._partitions]
            self._lanes = [self._make_lane(group) for group in self._connection.groups(streams)]

    def leave(self) -> None:
        """Answer what was handed out, and leave the group where nothing is open then."""
        troubles: list[Exception] = []
        for lane in self._lanes:
            self._tried(lane.finish, troubles)
            lane.close()
        for partition in self._partitions:
            self._leave_group(partition)
        _raise_first(troubles)

    def work(self, current: Callable[[], ProductionModel], block_ms: int) -> None:
        """Answer the next entries, waiting at most ``block_ms``, with the model that is current when they came.

        Their commit may still be under way when this returns. Trouble in one lane does not keep the others from
        working; the first is raised after all had their turn.

        Raises
        ------
        GroupMissing
            Join again. What the group held will be read again.
        """
        self._current = current
        self._taking_over = False
        troubles: list[Exception] = []
        lanes = [lane for lane in self._lanes if self._tried(partial(self._begin, lane, block_ms), troubles)]
        if len(self._lanes) == 1 and lanes:
            lanes[0].turn(block_ms, wait=not self._taking_over)
            return
        at_once = bool(troubles) or self._taking_over
        ready = wait_for_reply([lane.channel for lane in lanes], 0 if at_once else block_ms / 1000)
        for lane in lanes:
            if lane.channel in ready:
                self._tried(partial(lane.turn, block_ms, wait=False), troubles)
        _raise_first(troubles)

    def _score_tracer(self, tracer: Tracer) -> ScoreTracer:
        from scorer.trace import ScoreTracer  # noqa: PLC0415  (OpenTelemetry is an extra)

        partitions = {partition.records: partition for partition in self._partitions}
        return ScoreTracer(tracer, partitions, self._group, self._consumer)

    def _join_group(self, partition: PartitionKeys) -> None:
        """Create the group on one partition, where it is missing."""
        recovered = recover_group(self._connection, partition, self._consumer, self._settings.takeover_idle_ms)
        if recovered is None:
            return
        if recovered.dropped_floor is not None:
            self._log.warning(
                "the records stream was made anew; it is read from its beginning",
                stream=partition.records,
                floor=recovered.dropped_floor,
            )
        self._log.info(
            "group created",
            group=SCORERS,
            stream=partition.records,
            start=recovered.start,
            answered=recovered.answered_entries,
            open=recovered.open_entries,
        )

    def _leave_group(self, partition: PartitionKeys) -> None:
        """Be no consumer on one partition any more, where nothing is open."""
        leave_group(self._connection, partition.records, self._group, self._consumer)

    def _make_lane(self, streams: tuple[str, ...]) -> Lane:
        settings = self._settings
        takeover = Takeover(
            self._connection,
            streams,
            self._group,
            self._consumer,
            takeover_idle_ms=settings.takeover_idle_ms,
            read_bytes=settings.read_bytes,
            poison_deliveries=settings.poison_deliveries,
            poison_lone_deaths=settings.poison_lone_deaths,
        )
        return Lane(
            self._connection,
            tuple(partition for partition in self._partitions if partition.records in streams),
            self._group,
            self._consumer,
            takeover,
            takeover_idle_ms=settings.takeover_idle_ms,
            read_bytes=settings.read_bytes,
            answers=self._answers,
            settle=self._tally.committed,
            taken_over=self._taken_over,
            log=self._log,
        )

    def _begin(self, lane: Lane, block_ms: int) -> None:
        lane.begin(block_ms)
        lane.take_over()

    def _taken_over(self, batch: GroupBatch) -> None:
        self._taking_over = True
        self._tally.taken_over(batch, self._current().run_id)

    def _answers(self, batch: GroupBatch) -> list[Answer]:
        started_s = time.perf_counter()
        answers = self._answerer.answers(batch, self._current())
        self._tally.scored(time.perf_counter() - started_s)
        return answers

    @staticmethod
    def _tried(step: Callable[[], None], troubles: list[Exception]) -> bool:
        """Whether a step succeeded; its trouble is kept, so that the other lanes have their turn first."""
        try:
            step()
        except (RedisError, StreamgaugeError) as error:
            troubles.append(error)
            return False
        return True


def _raise_first(troubles: list[Exception]) -> None:
    """Raise the first trouble, a lost group before any other."""
    for trouble in sorted(troubles, key=lambda trouble: not isinstance(trouble, GroupMissing)):
        raise trouble
