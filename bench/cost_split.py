"""What each step of the scorer's path costs: read, decode, score, encode, commit."""

from __future__ import annotations

import time

from bench.table import make_model, make_rows
from core.connection import Connection
from core.group_reader import GroupReader
from core.keys import SCORERS, PipelineKeys
from core.prediction import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block, encode_plain
from core.scoring import score_batch
from core.scripts.commit import EntryResult, commit
from core.settings import Settings
from streamgauge.demo.raisin_like import FEATURES

#: Entries measured in each form.
ENTRIES = 20_000


def cost_split(url: str, rows: int, seed: int) -> dict[str, float]:
    """Microseconds an entry by step of the worker; ``rows`` a block, 0 for plain records."""
    file, settings = make_model(seed), Settings()
    model, partition = file.model, PipelineKeys("bench-split").partition(0)
    entries = ENTRIES // 20 if rows else ENTRIES
    x = make_rows(max(1, rows), seed)
    fields = (
        encode_block(x, model.schema) if rows else encode_plain(dict(zip(FEATURES, x[0].tolist(), strict=True)))
    )
    decoder = RecordDecoder(model.schema, settings.max_entry_bytes)
    encoder = PredictionEncoder(model.schema.features, model.intercept, "0" * 12, 0)
    spent = dict.fromkeys(("read", "decode", "score", "encode", "commit"), 0.0)
    with Connection(url) as connection:
        connection.call("FLUSHALL")
        for _ in range(0, entries, 500):
            connection.pipeline([("XADD", partition.records, "*", *fields)] * 500)
        reader = GroupReader(
            connection,
            (partition.records,),
            SCORERS,
            "bench",
            takeover_idle_ms=60_000,
            read_bytes=settings.read_bytes,
            poison_deliveries=5,
            poison_lone_deaths=3,
        )
        reader.create_group(partition.records)
        done = 0
        while done < entries:
            times = [time.perf_counter()]
            (batch,) = reader.read(0)
            times.append(time.perf_counter())
            decoded = decoder.decode(batch.entries)
            times.append(time.perf_counter())
            scored = score_batch(model, decoded)
            times.append(time.perf_counter())
            results = [EntryResult(entry_id, 1, [(1, answer)]) for entry_id, answer in encoder.encode(scored)]
            times.append(time.perf_counter())
            commit(connection, partition.records, SCORERS, "bench", (partition.predictions,), results)
            times.append(time.perf_counter())
            for step, begin, end in zip(spent, times, times[1:], strict=False):
                spent[step] += end - begin
            done += len(batch.entries)
    return {step: seconds / entries * 1e6 for step, seconds in spent.items()}
