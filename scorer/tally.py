"""What a worker's commits add to the metrics and the log."""

from __future__ import annotations

from collections import Counter

import numpy as np
from structlog.typing import FilteringBoundLogger

from core.entry import Entry, field_map
from core.log import shown_id
from core.model import Floats
from core.record_decoder import record_id_of
from core.record_fields import MAX_ID_BYTES
from core.rejection import REASONS, Rejection
from core.scripts.commit import Committed
from core.takeover import GroupBatch
from core.telemetry import PROBABILITY_BUCKETS, Telemetry
from scorer.answer import Answer

#: At least as many rows of a larger commit have their probabilities looked at, and each stands for its neighbours.
#: All 20,000 rows of 72 blocks would take 7 % of the time that a scorer has for them.
COUNTED_ROWS = 1000
#: Models that have a series in the metrics: production and the one before.
SHOWN_RUNS = 2


class Tally:
    """Counts what was committed here, and nothing that another worker had answered."""

    def __init__(self, telemetry: Telemetry, log: FilteringBoundLogger) -> None:
        self._telemetry = telemetry
        self._pipeline = telemetry.pipeline
        self._log = log
        self._shown_runs: list[str] = []
        self._turn = 0  # which rows of a large commit are looked at
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

    def taken_over(self, batch: GroupBatch, run_id: str) -> None:
        """Entries came from a worker that went silent."""
        self._claimed.inc(len(batch.entries))
        first = batch.entries[0]
        self._log.info(
            "taken over",
            stream=batch.stream,
            entries=len(batch.entries),
            record=first.id.decode(),
            id=shown_id(_first_id(first)),
            deliveries=batch.deliveries.get(first.id),
            model=run_id,
        )

    def committed(self, answer: Answer, done: Committed) -> None:
        """A commit was done."""
        scored_rows = answer.scored_rows(done)
        if scored_rows:
            self._telemetry.records_scored.labels(self._pipeline, answer.run_id).inc(scored_rows)
            self._count_by_probability(answer.scored_probability(done))
        late = done.late_ids
        if answer.rejections:
            self._rejected(answer, [each for each in answer.rejections if each.record not in late])
        ids = answer.call.ids
        if answer.trace is not None:
            scored = set(ids if isinstance(answer.rows, int) else answer.rows)
            answer.trace.committed(ids, answer.rejections, scored, done)
        if late:
            self._log.info(
                "late",
                stream=answer.stream,
                entries=done.late,
                record=next(entry_id for entry_id in ids if entry_id in late).decode(),
                model=answer.run_id,
            )
            ids = [entry_id for entry_id in ids if entry_id not in late]
        if ids:
            # all at once: an id is milliseconds, a minus and a number
            for ms, entries in Counter(b"-".join(ids).split(b"-")[::2]).items():
                self._telemetry.end_to_end_seconds.observe(max(0, done.ts_ms - int(ms)) / 1000, entries)

    def _count_by_probability(self, probability: Floats) -> None:
        """Count rows (n,) by their probability of class 1, all at once; in all they are ``n`` to the row."""
        step = max(1, len(probability) // COUNTED_ROWS)
        counted = probability[self._turn % step :: step]
        if step > 1:
            self._turn += 1  # so that all places of a block have theirs
        # buckets are equally wide and hold their upper bound; a search for each row would take four times as long
        tenths = np.ceil(counted * len(PROBABILITY_BUCKETS)).astype(np.intp)
        rows = step * np.bincount(tenths, minlength=len(PROBABILITY_BUCKETS) + 1)
        beyond = len(probability) - step * len(counted)  # the last one stands for so many more, or fewer
        rows[tenths[-1]] += beyond
        at_zero, first, *others = rows.tolist()
        counts = [at_zero + first, *others, 0]  # none is above 1
        total = step * float(counted.sum()) + beyond * float(counted[-1])
        self._telemetry.prediction_probability.observe_counts(counts, total)

    def _rejected(self, answer: Answer, rejections: list[Rejection]) -> None:
        """Count, and log one line a batch and reason: a flood of garbage must not become a flood of lines."""
        by_reason: dict[str, list[Rejection]] = {}
        for rejection in rejections:
            by_reason.setdefault(rejection.reason, []).append(rejection)
        for reason, alike in by_reason.items():
            records = sum(rejection.count for rejection in alike)
            self._telemetry.records_rejected.labels(self._pipeline, reason).inc(records)
            first = alike[0]
            self._log.info(
                "rejected",
                reason=reason,
                stream=answer.stream,
                entries=len(alike),
                records=records,
                record=first.record.decode(),
                id=shown_id(first.first_id),
                model=answer.run_id,
                detail=first.detail,
            )


def _first_id(entry: Entry) -> bytes | None:
    """The id that an entry brought, of a block that of its first row."""
    ids = field_map(entry.fields).get(b"_ids")
    return record_id_of(entry) if ids is None else ids.split(b"\n", 1)[0][:MAX_ID_BYTES]
