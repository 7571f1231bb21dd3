"""The histogram of probabilities holds what was published, no more and no less."""

from __future__ import annotations

import numpy as np
import pytest

from core.entry import entries_of
from core.log import logger
from core.model_file import ModelFile
from core.prediction import PredictionBlock, decode_prediction
from core.record_encoder import encode_block
from core.scripts.commit import EntryResult, commit
from core.settings import Settings
from core.telemetry import PROBABILITY_BUCKETS, Telemetry
from scorer.model_watcher import ProductionModel
from scorer.worker import Worker
from tests.scorer.conftest import FEATURES, FIRST_RUN
from tests.scorer.streams import Streams

NAME = "streamgauge_prediction_probability"


def _published(streams: Streams) -> list[float]:
    """Probabilities in the predictions stream that a scorer wrote."""
    found: list[float] = []
    for entry in streams.entries(streams.partition.predictions):
        if b"by" in entry.fields:
            continue
        prediction = decode_prediction(entry)
        found += (
            prediction.probability.tolist()
            if isinstance(prediction, PredictionBlock)
            else [prediction.probability]
        )
    return found


def _push(streams: Streams, model_file: ModelFile, form: str) -> list[bytes]:
    model = model_file.model
    rows = np.random.default_rng(6).normal(model.center, 3 * model.scale, (40, len(FEATURES)))
    sent = []
    for number, row in enumerate(rows):
        if form == "mixed" and number % 7 == 3:
            sent.append(streams.add("x", "y"))
        if form == "blocks" or (form == "mixed" and number % 3):
            block = np.vstack([row] * (2 if form == "blocks" else number))
            sent.append(streams.add(*encode_block(block, model.schema)))
        else:
            pairs = zip(FEATURES, map(repr, row.tolist()), strict=True)
            sent.append(streams.add(*[text for pair in pairs for text in pair]))
    return sent


def _worker(streams: Streams, pipeline: str) -> tuple[Telemetry, Worker]:
    settings, telemetry = Settings(pipeline=pipeline), Telemetry(pipeline)
    worker = Worker(streams.connection, (streams.partition,), "w", settings, telemetry, logger("scorer", pipeline))
    worker.join()
    return telemetry, worker


def _counts(telemetry: Telemetry, pipeline: str) -> list[float]:
    """Cumulative, by bucket."""
    registry = telemetry.registry
    return [
        registry.get_sample_value(f"{NAME}_bucket", {"pipeline": pipeline, "le": str(bound)}) or 0
        for bound in PROBABILITY_BUCKETS
    ]


def test_of_many_rows_some_stand_for_all(streams: Streams, pipeline: str, model_file: ModelFile) -> None:
    telemetry, worker = _worker(streams, pipeline)
    model = model_file.model
    rows = np.random.default_rng(6).normal(model.center, 3 * model.scale, (12, 500, len(FEATURES)))
    for block in rows:
        order = np.argsort(model.score(block).probability)  # a client may send its rows in any order
        streams.add(*encode_block(block[order], model.schema))
    worker.work(lambda: ProductionModel(FIRST_RUN, 1, 0, model_file), 100)
    worker.leave()
    published = _published(streams)
    counts = _counts(telemetry, pipeline)
    assert len(published) == rows.size // len(FEATURES)
    assert counts[-1] == len(published)
    shares = np.array(counts) / counts[-1]
    assert shares == pytest.approx(
        [np.mean(np.array(published) <= bound) for bound in PROBABILITY_BUCKETS], abs=0.02
    )


def test_of_blocks_that_are_sorted_alike_every_place_has_its_turn(
    streams: Streams, pipeline: str, model_file: ModelFile
) -> None:
    telemetry, worker = _worker(streams, pipeline)
    model, production = model_file.model, ProductionModel(FIRST_RUN, 1, 0, model_file)
    rows = np.random.default_rng(6).normal(model.center, 3 * model.scale, (2_000, len(FEATURES)))
    order = np.argsort(model.score(rows).probability)
    low_high_high = rows[order.reshape(2, 1_000)[[0, 1, 1]].T.reshape(-1)]
    for _ in range(3):
        streams.add(*encode_block(low_high_high, model.schema))
        worker.work(lambda: production, 100)
    worker.leave()
    published, counts = np.array(_published(streams)), _counts(telemetry, pipeline)
    assert counts == [np.sum(published <= bound) for bound in PROBABILITY_BUCKETS]
    assert 0 < counts[0] < counts[-1] == len(published) == 9_000


@pytest.mark.parametrize("form", ["plain", "blocks", "mixed"])
@pytest.mark.parametrize("late", [0, 3])
def test_the_distribution_is_that_of_the_predictions_that_were_published(
    streams: Streams, pipeline: str, model_file: ModelFile, form: str, late: int
) -> None:
    telemetry, worker = _worker(streams, pipeline)
    model = ProductionModel(FIRST_RUN, 1, 0, model_file)
    sent = _push(streams, model_file, form)
    others = [*sent[5 : 5 + late]]
    outputs = (streams.partition.predictions, streams.partition.rejected)

    def current() -> ProductionModel:
        """Called between read and commit: another worker answers some of the entries meanwhile."""
        while others:
            records, entry_id = streams.partition.records, others.pop()
            entry = entries_of(streams.connection.call("XRANGE", records, entry_id, entry_id))[0]
            result = EntryResult(entry.id, 1, [(1, [b"record", entry.id, b"by", b"other"])])
            commit(streams.connection, records, "scorers", "other", outputs, [result])
        return model

    worker.work(current, 100)
    worker.leave()  # the commit may be under way until then
    published = _published(streams)
    labels, counts = {"pipeline": pipeline}, _counts(telemetry, pipeline)
    assert counts == [sum(p <= bound for p in published) for bound in PROBABILITY_BUCKETS]
    assert 0 < counts[0] < counts[-1] == len(published)
    assert telemetry.registry.get_sample_value(f"{NAME}_sum", labels) == pytest.approx(sum(published))
    scored = {"pipeline": pipeline, "model": FIRST_RUN}
    assert telemetry.registry.get_sample_value("streamgauge_records_scored_total", scored) == len(published)
