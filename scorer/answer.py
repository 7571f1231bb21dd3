"""Answers: what a batch's entries come to, as calls that commit them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import RecordError
from core.keys import SCORERS, PartitionKeys, is_shadow_group
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder, reject_entry
from core.rejection import Rejection
from core.scoring import ScoredBatch, score_batch
from core.scripts.commit import AlikeResults, CommitCall, Committed, EntryResult, chunks
from core.takeover import GroupBatch
from scorer.model_watcher import ProductionModel

#: Numbers of the commit's output streams.
TO_PREDICTIONS, TO_REJECTED = 1, 2

_POISON = RecordError(
    "poison", "each worker that processed this entry alone died; look at it before sending it again"
)


@dataclass(eq=False)
class Answer:
    """Results of some entries of one stream, waiting for their commit."""

    stream: str
    call: CommitCall
    rows: dict[bytes, int] | int  #: scored rows by entry id, or of each entry
    rejections: list[Rejection]
    run_id: str
    #: Until then (on this machine's monotonic clock) nobody else can have taken these entries over.
    alone_until_s: float = 0.0
    tried: bool = False  #: a commit was sent whose outcome is not known
    native: bool = False  #: the commit that was sent ahead is a native one

    def scored_rows(self, committed: Committed) -> int:
        """Rows whose prediction was published."""
        if isinstance(self.rows, int):
            return self.rows * (len(self.call.ids) - committed.late)
        return sum(self.rows.values()) - sum(self.rows.get(entry_id, 0) for entry_id in committed.late_ids)


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
    """

    def __init__(
        self,
        partitions: tuple[PartitionKeys, ...],
        consumer: str,
        max_entry_bytes: int,
        on_model: Callable[[ProductionModel], None],
        group: str = SCORERS,
    ) -> None:
        self._partitions = {partition.records: partition for partition in partitions}
        self._consumer = consumer
        self._max_entry_bytes = max_entry_bytes
        self._on_model = on_model
        self._group = group
        self._one_result = is_shadow_group(group)
        self._model: ProductionModel | None = None
        self._decoder: RecordDecoder
        self._encoders: dict[str, PredictionEncoder] = {}

    def answers(self, batch: GroupBatch, model: ProductionModel) -> list[Answer]:
        """The answers to every entry of a batch, in its order."""
        self._use(model)
        if batch.poison:
            rejections = [reject_entry(entry, _POISON) for entry in batch.entries]
            results = [
                EntryResult(r.record, batch.deliveries.get(r.record, 1), [_rejected(r)]) for r in rejections
            ]
            return self._pack(batch.stream, results, {}, rejections)
        scored = score_batch(model.file.model, self._decoder.decode(batch.entries, batch.most_bytes))
        encoder = self._encoders[batch.stream]
        alike = None if batch.deliveries else encoder.encode_alike(scored)
        if alike is None:
            return self._each(batch, scored, encoder)
        rows = len(scored.scores.logit) // len(batch.entries)
        return [self._answer(batch.stream, results, rows, []) for results in alike]

    def _each(self, batch: GroupBatch, scored: ScoredBatch, encoder: PredictionEncoder) -> list[Answer]:
        """Entries of any shape, each with its predictions and rejections."""
        results = {
            entry.id: EntryResult(entry.id, batch.deliveries.get(entry.id, 1), []) for entry in batch.entries
        }
        for entry_id, fields in encoder.encode(scored):
            results[entry_id].outputs.append((TO_PREDICTIONS, fields))
        for rejection in scored.batch.rejections:
            outputs = results[rejection.record].outputs
            if not (self._one_result and outputs):
                outputs.append(_rejected(rejection))
        rows = {rows.entry.id: rows.count for rows in scored.batch.entries}
        return self._pack(batch.stream, list(results.values()), rows, scored.batch.rejections)

    def _pack(
        self, stream: str, results: list[EntryResult], rows: dict[bytes, int], rejections: list[Rejection]
    ) -> list[Answer]:
        answers = []
        for chunk in chunks(results):
            ids = {result.id for result in chunk}
            own_rows = {entry_id: count for entry_id, count in rows.items() if entry_id in ids}
            own_rejections = [rejection for rejection in rejections if rejection.record in ids]
            answers.append(self._answer(stream, chunk, own_rows, own_rejections))
        return answers

    def _answer(
        self,
        stream: str,
        results: list[EntryResult] | AlikeResults,
        rows: dict[bytes, int] | int,
        rejections: list[Rejection],
    ) -> Answer:
        partition = self._partitions[stream]
        outputs = (partition.predictions, partition.rejected)
        call = CommitCall(stream, self._group, self._consumer, outputs, results)
        assert self._model is not None  # noqa: S101  (answers begin with it)
        return Answer(stream, call, rows, rejections, self._model.run_id)

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


def _rejected(rejection: Rejection) -> tuple[int, list[bytes]]:
    return TO_REJECTED, rejection.encode()
