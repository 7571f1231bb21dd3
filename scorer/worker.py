"""The worker: read, decode, score, commit. Each entry is acknowledged and answered in one step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from core.connection import Connection
from core.errors import GroupMissing, RecordError
from core.group_reader import GroupBatch, GroupReader
from core.keys import SCORERS, PartitionKeys
from core.prediction import PredictionEncoder
from core.record_decoder import RecordDecoder, reject_entry
from core.rejection import REASONS, Rejection
from core.scoring import score_batch
from core.scripts.commit import Committed, EntryResult, commit
from core.settings import Settings
from core.telemetry import Telemetry
from scorer.group_recovery import recover_group
from scorer.model_watcher import ProductionModel

#: Numbers of the commit's output streams.
TO_PREDICTIONS, TO_REJECTED = 1, 2
#: Models that have a series in the metrics: production and the one before.
SHOWN_RUNS = 2

_POISON = RecordError(
    "poison", "each worker that processed this entry alone died; look at it before sending it again"
)


class Worker:
    """One consumer of the scorers' group over all partitions.

    Between two batches it holds nothing but results whose commit failed; those are tried again before anything new
    is read, which is safe: what another worker has answered meanwhile counts as late.
    """

    def __init__(
        self,
        connection: Connection,
        partitions: tuple[PartitionKeys, ...],
        consumer: str,
        settings: Settings,
        telemetry: Telemetry,
        log: FilteringBoundLogger,
    ) -> None:
        self._connection = connection
        self._partitions = {partition.records: partition for partition in partitions}
        self._settings = settings
        self._telemetry = telemetry
        self._log = log
        self._reader = GroupReader(
            connection,
            tuple(self._partitions),
            SCORERS,
            consumer,
            takeover_idle_ms=settings.takeover_idle_ms,
            read_bytes=settings.read_bytes,
            poison_deliveries=settings.poison_deliveries,
            poison_lone_deaths=settings.poison_lone_deaths,
        )
        self._uncommitted: list[_Answer] = []
        self._model: ProductionModel
        self._decoder: RecordDecoder
        self._encoders: dict[int, PredictionEncoder] = {}
        self._shown_runs: list[str] = []
        telemetry.entries_claimed.labels(settings.pipeline)  # metrics begin at 0, so that a first increase shows
        for reason in REASONS:
            telemetry.records_rejected.labels(settings.pipeline, reason)

    def join(self) -> None:
        """Create the group where it is missing; after a loss, what was answered before is not answered again."""
        for partition in self._partitions.values():
            recovered = recover_group(
                self._connection, partition, self._reader.consumer, self._settings.takeover_idle_ms
            )
            if recovered is not None:
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

    def leave(self) -> None:
        """Commit what is open and leave the group."""
        self._commit_all()
        self._reader.leave()

    def work(self, current: Callable[[], ProductionModel], block_ms: int) -> None:
        """Answer the next entries, waiting at most ``block_ms``, with the model that is current when they came.

        Raises
        ------
        GroupMissing
            Join again. What the group held will be read again.
        """
        for answer in self._uncommitted:
            self._reader.hold(answer.partition.records, [result.id for result in answer.results])
        self._commit_all()
        before = self._reader.taken_over_entries
        batches = self._reader.read(block_ms)
        taken_over = self._reader.taken_over_entries - before
        if taken_over:
            self._telemetry.entries_claimed.labels(self._settings.pipeline).inc(taken_over)
            ids = [entry.id.decode() for batch in batches for entry in batch.entries[:10]]
            self._log.info("taken over", entries=taken_over, first=ids)
        for batch in batches:
            partition = self._partitions[batch.stream]
            self._use(current())
            self._uncommitted.append(self._answer(batch, partition))
        self._commit_all()

    def _use(self, model: ProductionModel) -> None:
        if self._encoders and model is self._model:
            return
        schema = model.file.model.schema
        if not self._encoders or self._decoder.schema != schema:
            self._decoder = RecordDecoder(schema, self._settings.max_entry_bytes)
        self._model = model
        self._show_run(model.run_id)
        self._encoders = {
            partition.number: PredictionEncoder(
                schema.features, model.file.model.intercept, model.run_id, partition.number
            )
            for partition in self._partitions.values()
        }

    def _show_run(self, run_id: str) -> None:
        """Count for this model from 0 on; series of models before the previous one end."""
        pipeline = self._settings.pipeline
        self._telemetry.records_scored.labels(pipeline, run_id)
        self._shown_runs = [*(shown for shown in self._shown_runs if shown != run_id), run_id]
        while len(self._shown_runs) > SHOWN_RUNS:
            self._telemetry.records_scored.remove(pipeline, self._shown_runs.pop(0))

    def _answer(self, batch: GroupBatch, partition: PartitionKeys) -> _Answer:
        """Results of every entry of a batch, in its order."""
        started_s = time.perf_counter()
        results = {
            entry.id: EntryResult(entry.id, batch.deliveries.get(entry.id, 1), []) for entry in batch.entries
        }
        scored_rows = 0
        if batch.poison:
            rejections = [reject_entry(entry, _POISON) for entry in batch.entries]
        else:
            scored = score_batch(self._model.file.model, self._decoder.decode(batch.entries))
            scored_rows = len(scored.scores.logit)
            for entry_id, fields in self._encoders[partition.number].encode(scored):
                results[entry_id].outputs.append((TO_PREDICTIONS, fields))
            rejections = scored.batch.rejections
        for rejection in rejections:
            results[rejection.record].outputs.append((TO_REJECTED, rejection.encode()))
        self._telemetry.score_batch_seconds.labels(self._settings.pipeline).observe(
            time.perf_counter() - started_s
        )
        return _Answer(partition, list(results.values()), rejections, scored_rows, self._model.run_id)

    def _commit_all(self) -> None:
        """Commit what is open, oldest first. What a lost group held is read again, so its results are dropped."""
        while self._uncommitted:
            answer = self._uncommitted[0]
            partition = answer.partition
            try:
                done = commit(
                    self._connection,
                    partition.records,
                    SCORERS,
                    self._reader.consumer,
                    (partition.predictions, partition.rejected),
                    answer.results,
                )
            except GroupMissing:
                self._uncommitted.clear()
                raise
            self._uncommitted.pop(0)
            self._count(answer, done)

    def _count(self, answer: _Answer, done: Committed) -> None:
        """Count what was committed here, and nothing that another worker had answered."""
        pipeline = self._settings.pipeline
        late = done.late_ids
        scored_rows = answer.scored_rows - sum(
            _rows(fields)
            for result in (answer.results if late else ())
            for output, fields in (result.outputs if result.id in late else ())
            if output == TO_PREDICTIONS
        )
        if scored_rows:
            self._telemetry.records_scored.labels(pipeline, answer.run_id).inc(scored_rows)
        self._count_rejections([rejection for rejection in answer.rejections if rejection.record not in late])
        if late:
            self._log.info("late", entries=len(late), stream=answer.partition.records)
        observe = self._telemetry.end_to_end_seconds.labels(pipeline).observe
        written_ms = Counter(result.id.partition(b"-")[0] for result in answer.results if result.id not in late)
        for ms, entries in written_ms.items():
            seconds = max(0, done.ts_ms - int(ms)) / 1000
            for _ in range(entries):
                observe(seconds)

    def _count_rejections(self, rejections: list[Rejection]) -> None:
        """Count, and log one line a batch and reason: a flood of garbage must not become a flood of lines."""
        by_reason: dict[str, list[Rejection]] = {}
        for rejection in rejections:
            by_reason.setdefault(rejection.reason, []).append(rejection)
        for reason, alike in by_reason.items():
            records = sum(rejection.count for rejection in alike)
            self._telemetry.records_rejected.labels(self._settings.pipeline, reason).inc(records)
            first = alike[0]
            self._log.info(
                "rejected", reason=reason, records=records, first=first.record.decode(), detail=first.detail
            )


@dataclass(frozen=True)
class _Answer:
    """Results of one batch, waiting for their commit."""

    partition: PartitionKeys
    results: list[EntryResult]
    rejections: list[Rejection]
    scored_rows: int
    run_id: str


def _rows(fields: list[bytes]) -> int:
    """Rows that a prediction answers."""
    return int(fields[3]) if fields[2] == b"_n" else 1
