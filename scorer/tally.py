"""What a worker's commits add to the metrics and the log."""

from __future__ import annotations

from collections import Counter

from structlog.typing import FilteringBoundLogger

from core.rejection import REASONS, Rejection
from core.scripts.commit import Committed
from core.takeover import GroupBatch
from core.telemetry import Telemetry
from scorer.answer import Answer

#: Models that have a series in the metrics: production and the one before.
SHOWN_RUNS = 2


class Tally:
    """Counts what was committed here, and nothing that another worker had answered."""

    def __init__(self, telemetry: Telemetry, log: FilteringBoundLogger) -> None:
        self._telemetry = telemetry
        self._pipeline = telemetry.pipeline
        self._log = log
        self._shown_runs: list[str] = []
        self._claimed = telemetry.entries_claimed.labels(self._pipeline)  # from 0 on, so that an increase shows
        self._batch_seconds = telemetry.score_batch_seconds.labels(self._pipeline)
        for reason in REASONS:
            telemetry.records_rejected.labels(self._pipeline, reason)

    def show_run(self, run_id: str) -> None:
        """Count for this model from 0 on; series of models before the previous one end."""
        self._telemetry.records_scored.labels(self._pipeline, run_id)
        self._shown_runs = [*(shown for shown in self._shown_runs if shown != run_id), run_id]
        while len(self._shown_runs) > SHOWN_RUNS:
            self._telemetry.records_scored.remove(self._pipeline, self._shown_runs.pop(0))

    def scored(self, seconds: float) -> None:
        """A batch was decoded, scored and encoded."""
        self._batch_seconds.observe(seconds)

    def taken_over(self, batch: GroupBatch) -> None:
        """Entries came from a worker that went silent."""
        self._claimed.inc(len(batch.entries))
        first = [entry.id.decode() for entry in batch.entries[:10]]
        self._log.info("taken over", entries=len(batch.entries), first=first)

    def committed(self, answer: Answer, done: Committed) -> None:
        """A commit was done."""
        scored_rows = answer.scored_rows(done)
        if scored_rows:
            self._telemetry.records_scored.labels(self._pipeline, answer.run_id).inc(scored_rows)
        late = done.late_ids
        if answer.rejections:
            self._rejected([rejection for rejection in answer.rejections if rejection.record not in late])
        ids = answer.call.ids
        if late:
            self._log.info("late", entries=done.late, stream=answer.stream)
            ids = [entry_id for entry_id in ids if entry_id not in late]
        if ids:
            # all at once: an id is milliseconds, a minus and a number
            for ms, entries in Counter(b"-".join(ids).split(b"-")[::2]).items():
                self._telemetry.end_to_end_seconds.observe(max(0, done.ts_ms - int(ms)) / 1000, entries)

    def _rejected(self, rejections: list[Rejection]) -> None:
        """Count, and log one line a batch and reason: a flood of garbage must not become a flood of lines."""
        by_reason: dict[str, list[Rejection]] = {}
        for rejection in rejections:
            by_reason.setdefault(rejection.reason, []).append(rejection)
        for reason, alike in by_reason.items():
            records = sum(rejection.count for rejection in alike)
            self._telemetry.records_rejected.labels(self._pipeline, reason).inc(records)
            first = alike[0]
            self._log.info(
                "rejected", reason=reason, records=records, first=first.record.decode(), detail=first.detail
            )
