"""The peer: FastStream on a Redis stream, a batch subscriber of 512, scikit-learn; answers until it is killed.

As its documentation shows it: a handler of a batch, and ``publish`` through a pipeline that is executed once,
which is its fastest documented way. It answers the probability alone. A batch is acknowledged after the handler,
not with it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
from faststream import FastStream  # type: ignore[import-not-found]  # in the peers' environment only
from faststream.redis import Pipeline, RedisBroker, StreamSub  # type: ignore[import-not-found]  # as above

from bench.peers.sklearn_model import load


async def main(url: str, records: str, predictions: str, count: int, model_path: str) -> None:
    """Answer records for ever."""
    model, names = load(model_path)
    broker = RedisBroker(url, logger=None)

    async def answer(batch: list[dict[str, Any]], pipe: Pipeline) -> None:
        rows = np.array([[float(record[name]) for name in names] for record in batch])
        for p in model.predict_proba(rows)[:, 1].tolist():
            await broker.publish({"pred": int(p >= 0.5), "p_class1": p}, stream=predictions, pipeline=pipe)
        await pipe.execute()

    source = StreamSub(records, group="peer", consumer="me", batch=True, max_records=count, last_id="0")
    broker.subscriber(stream=source)(answer)
    await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
