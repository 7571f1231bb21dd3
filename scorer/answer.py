"""Answers: what a batch's entries come to, as calls that commit them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import RecordError
from core.keys import SCORERS, PartitionKeys, is_shadow_group
from core.model import Floats
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder, reject_entry
from core.record_rows import AlikeRows, RecordRows
from core.rejection import Rejection
from core.scoring import ScoredBatch, score_batch
from core.scripts.commit import AlikeResults, CommitCall, Committed, EntryResult, chunks
from core.takeover import GroupBatch
from core.traceparent import FIELD as TRACEPARENT
from core.traceparent import traceparent_of
from scorer.model_watcher import ProductionModel

if TYPE_CHECKING:
    from scorer.trace import BatchTrace, ScoreTracer

#: Numbers of the commit's output streams.
TO_PREDICTIONS, TO_REJECTED = 1, 2

_POISON = RecordError(
    "poison", "each worker that processed this entry alone died; look at it before sending it again"
)
_NO_ROWS: Floats = np.empty(0)


@dataclass(eq=False)
class Answer:
    """Results of some entries of one stream, waiting for their commit."""

    stream: str
    call: CommitCall
    rows: dict[bytes, int] | int  #: scored rows by entry id, or of each entry
    rejections: list[Rejection]
    run_id: str
    probability: Floats  #: (n,) of class 1, of the scored rows, entry by entry
    #: Until then (on this machine's monotonic clock) nobody else can have taken these entries over.
    alone_until_s: float = 0.0
    tried: bool = False  #: a commit was sent whose outcome is not known
    native: bool = False  #: the commit that was sent ahead is a native one
    trace: BatchTrace | None = None  #: the spans of its batch, where traces are written

    def scored_rows(self, committed: Committed) -> int:
        """Rows whose prediction was published."""
        if isinstance(self.rows, int):
            return self.rows * (len(self.call.ids) - committed.late)
        return sum(self.rows.values()) - sum(self.rows.get(entry_id, 0) for entry_id in committed.late_ids)

    def scored_probability(self, committed: Committed) -> Floats:
        """(n,) of class 1, of the rows whose prediction was published."""
        if not committed.late:
            return self.probability
        rows = dict.fromkeys(self.call.ids, self.rows) if isinstance(self.rows, int) else self.rows
        published = [entry_id not in committed.late_ids for entry_id in rows]
        kept: Floats = self.probability[np.repeat(published, list(rows.values()))]
        return kept


class Answerer:
    """Decodes, scores and encodes with the model in production.

    Parameters
    ----------
    model
        The model that is in production when it is asked.
    on_model
        Told of each model before it answers its first batch.
    group
        Whose entries these are. A shadow's entry has one result, so that results can be counted: of a block that
        was scored in part the prediction, which names its rows; the others are in production's ``rejected``.
    tracer
        Makes spans, where traces are written. A result carries on the trace of its record in any case.
    """

    def __init__(
        self,
        partitions: tuple[PartitionKeys, ...],
        consumer: str,
        max_entry_bytes: int,
        on_model: Callable[[ProductionModel], None],
        group: str = SCORERS,
        tracer: ScoreTracer | None = None,
    ) -> None:
        self._partitions = {partition.records: partition for partition in partitions}
        self._consumer = consumer
        self._max_entry_bytes = max_entry_bytes
        self._on_model = on_model
        self._group = group
        self._one_result = is_shadow_group(group)
        self._tracer = tracer
        self._model: ProductionModel | None = None
        self._decoder: RecordDecoder
        self._encoders: dict[str, PredictionEncoder] = {}

    def answers(self, batch: GroupBatch, model: ProductionModel) -> list[Answer]:
        """The answers to every entry of a batch, in its order."""
        started_ns = 0 if self._tracer is None else self._tracer.now_ns()
        self._use(model)
        if batch.poison:
            rejections = [reject_entry(entry, _POISON) for entry in batch.entries]
            carried, trace = self._carried(batch, [], rejections, started_ns)
            results = [
                EntryResult(r.record, batch.deliveries.get(r.record, 1), [_rejected(r, carried)])
                for r in rejections
            ]
            return _traced(self._pack(batch.stream, results, {}, rejections), trace, 0, rejections)
        scored = score_batch(model.file.model, self._decoder.decode(batch.entries, batch.most_bytes))
        rejections = scored.batch.rejections
        carried, trace = self._carried(batch, scored.batch.entries, rejections, started_ns)
        encoder = self._encoders[batch.stream]
        alike = None if batch.deliveries else encoder.encode_alike(scored)
        if alike is None:
            each = self._each(batch, scored, encoder, carried)
            return _traced(each, trace, len(scored.scores.logit), rejections)
        rows = len(scored.scores.logit) // len(batch.entries)
        answers: list[Answer] = []
        first = 0
        for piece in alike:
            part = slice(first, first + len(piece.ids) * rows)
            answers.append(self._answer(batch.stream, piece, rows, [], scored.scores.probability[part]))
            first = part.stop
        return _traced(answers, trace, len(scored.scores.logit), rejections)

    def _carried(
        self,
        batch: GroupBatch,
        rows: Sequence[RecordRows],
        rejections: list[Rejection],
        started_ns: int,
    ) -> tuple[dict[bytes, bytes], BatchTrace | None]:
        """The traceparents of results by entry id, and the batch's spans; ``rows`` then name those spans.

        Without spans the rows know what their results carry on, and only rejections have to look.
        """
        if self._tracer is None and not rejections:
            return {}, None
        if isinstance(rows, AlikeRows):
            found = zip(rows.entries, rows.traceparents or (), strict=False)
        else:
            found = zip(batch.entries, map(traceparent_of, batch.entries), strict=True)
        carried = {entry.id: parent for entry, parent in found if parent is not None}
        if self._tracer is None or self._model is None:
            return carried, None
        trace = self._tracer.begin(batch, self._model.run_id, carried, started_ns)
        carried |= trace.traceparents()
        if not isinstance(rows, AlikeRows):
            for each in rows:
                each.traceparent = carried.get(each.entry.id)
        elif rows.traceparents is not None:
            rows.traceparents = [carried.get(entry.id) for entry in rows.entries]
        return carried, trace

    def _each(
        self, batch: GroupBatch, scored: ScoredBatch, encoder: PredictionEncoder, carried: dict[bytes, bytes]
    ) -> list[Answer]:
        """Entries of any shape, each with its predictions and rejections."""
        results = {
            entry.id: EntryResult(entry.id, batch.deliveries.get(entry.id, 1), []) for entry in batch.entries
        }
        for entry_id, fields in encoder.encode(scored):
            results[entry_id].outputs.append((TO_PREDICTIONS, fields))
        for rejection in scored.batch.rejections:
            outputs = results[rejection.record].outputs
            if not (self._one_result and outputs):
                outputs.append(_rejected(rejection, carried))
        probability = scored.scores.probability
        rows = {rows.entry.id: probability[rows.start : rows.stop] for rows in scored.batch.entries}
        return self._pack(batch.stream, list(results.values()), rows, scored.batch.rejections)

    def _pack(
        self, stream: str, results: list[EntryResult], rows: dict[bytes, Floats], rejections: list[Rejection]
    ) -> list[Answer]:
        """``rows``: probabilities of the scored rows by entry id."""
        answers = []
        for chunk in chunks(results):
            ids = {result.id for result in chunk}
            own = {entry_id: probability for entry_id, probability in rows.items() if entry_id in ids}
            own_rejections = [rejection for rejection in rejections if rejection.record in ids]
            counts = {entry_id: len(probability) for entry_id, probability in own.items()}
            together = np.concatenate([_NO_ROWS, *own.values()])
            answers.append(self._answer(stream, chunk, counts, own_rejections, together))
        return answers

    def _answer(
        self,
        stream: str,
        results: list[EntryResult] | AlikeResults,
        rows: dict[bytes, int] | int,
        rejections: list[Rejection],
        probability: Floats,
    ) -> Answer:
        partition = self._partitions[stream]
        outputs = (partition.predictions, partition.rejected)
        call = CommitCall(stream, self._group, self._consumer, outputs, results)
        assert self._model is not None  # noqa: S101  (answers begin with it)
        return Answer(stream, call, rows, rejections, self._model.run_id, probability)

    def _use(self, model: ProductionModel) -> None:
        if model is self._model:
            return
        schema = model.file.model.schema
        if self._model is None or self._decoder.schema != schema:
            self._decoder = RecordDecoder(schema, self._max_entry_bytes)
        self._model = model
        self._on_model(model)
        self._encoders = {
            stream: PredictionEncoder(schema.features, model.file.model.intercept, model.run_id, partition.number)
            for stream, partition in self._partitions.items()
        }


def _rejected(rejection: Rejection, carried: dict[bytes, bytes]) -> tuple[int, list[bytes]]:
    fields, parent = rejection.encode(), carried.get(rejection.record)
    if parent is not None:
        fields += [TRACEPARENT, parent]
    return TO_REJECTED, fields


def _traced(
    answers: list[Answer], trace: BatchTrace | None, rows: int, rejections: list[Rejection]
) -> list[Answer]:
    """The answers of a batch, which know its spans from now on."""
    if trace is not None:
        trace.encoded(rows, rejections)
        for answer in answers:
            answer.trace = trace
    return answers
