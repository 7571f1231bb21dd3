"""Score a batch of decoded records; rows whose logit overflows become rejections."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.errors import RecordError
from core.model import LogisticModel, Scores
from core.record_decoder import reject_entry
from core.record_rows import RecordBatch, RecordRows
from core.rejection import RejectedRows, Rejection


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """A batch without its overflowing rows, and the scores of the rows that remain."""

    batch: RecordBatch
    scores: Scores


def score_batch(model: LogisticModel, batch: RecordBatch) -> ScoredBatch:
    """Score every row of a batch."""
    scores = model.score(batch.x)
    finite = np.isfinite(scores.logit)
    if finite.all():
        return ScoredBatch(batch, scores)
    return _without_overflow(model, batch, scores, finite)


def _without_overflow(
    model: LogisticModel,
    batch: RecordBatch,
    scores: Scores,
    finite: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> ScoredBatch:
    detail = "the features are finite but the logit overflows float64; check the units of this record"
    entries: list[RecordRows] = []
    rejections: list[Rejection] = list(batch.rejections)
    position = 0
    for rows in batch.entries:
        good = np.flatnonzero(finite[rows.start : rows.stop])
        bad = np.flatnonzero(~finite[rows.start : rows.stop])
        if len(bad) and rows.plain:
            rejections.append(reject_entry(rows.entry, RecordError("overflow", detail)))
        elif len(bad):
            rejections.append(_reject_rows(model, batch, rows, bad, detail))
        if len(good):
            kept = rows if not len(bad) else _keep_rows(rows, good)
            entries.append(replace(kept, start=position, stop=position + len(good)))
            position += len(good)
    return ScoredBatch(RecordBatch(batch.x[finite], entries, rejections), scores.rows(finite))


def _keep_rows(rows: RecordRows, good: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> RecordRows:
    numbers = np.array(rows.row_numbers(), dtype=np.int32)
    return replace(
        rows,
        rows=numbers[good],
        ids=None if rows.ids is None else tuple(rows.ids[row] for row in good),
        labels=None if rows.labels is None else rows.labels[good],
    )


def _reject_rows(
    model: LogisticModel,
    batch: RecordBatch,
    rows: RecordRows,
    bad: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    detail: str,
) -> Rejection:
    numbers = np.array(rows.row_numbers(), dtype=np.int32)
    ids = None if rows.ids is None else tuple(rows.ids[row] for row in bad)
    x = batch.x[rows.start : rows.stop][bad]
    refused = RejectedRows(numbers[bad], x, model.schema.fingerprint, ids)
    return Rejection(rows.entry.id, "overflow", f"row {numbers[bad[0]]}: {detail}", block_rows=refused)
