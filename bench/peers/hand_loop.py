"""The peer: what one writes by hand with redis-py and scikit-learn; a process that answers until it is killed.

redis-py as its documentation shows it: ``xreadgroup`` with its parsed reply, one ``predict_proba`` a read, a
pipeline of ``xadd`` and one ``xack``. It is not atomic: a crash between reading and the end of the pipeline loses
track of what was answered, and one bad record ends it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import redis

from bench.peers.sklearn_model import load


def main(url: str, records: str, predictions: str, count: int, whole: bool, model_path: str) -> None:
    """Answer records for ever, up to ``count`` a read; ``whole``: with all the fields that the scorer answers."""
    model, features = load(model_path)
    client = redis.Redis.from_url(url)
    client.xgroup_create(records, "peer", "0", mkstream=True)
    names = [name.encode() for name in features]
    while True:
        reply: Any = client.xreadgroup("peer", "me", {records: ">"}, count=count, block=1000)
        for _, entries in reply:
            rows = np.array([[float(fields[name]) for name in names] for _, fields in entries])
            pipe = client.pipeline(transaction=False)
            for answer in _answers(model, features, [entry_id for entry_id, _ in entries], rows, whole):
                pipe.xadd(predictions, answer)
            pipe.xack(records, "peer", *(entry_id for entry_id, _ in entries))
            pipe.execute()


def _answers(model: Any, features: list[str], ids: list[bytes], rows: Any, whole: bool) -> list[dict[Any, Any]]:
    probabilities = model.predict_proba(rows)[:, 1].tolist()
    answers: list[dict[Any, Any]] = [
        {"record": entry_id, "pred": int(p >= 0.5), "p_class1": p}
        for entry_id, p in zip(ids, probabilities, strict=True)
    ]
    if whole:
        contributions = model[0].transform(rows) * model[1].coef_[0]
        bias = float(model[1].intercept_[0])
        logits = (contributions.sum(axis=1) + bias).tolist()
        now_ms = int(time.time() * 1000)
        for answer, logit, parts in zip(answers, logits, contributions.tolist(), strict=True):
            answer |= {"_v": 1, "id": b"0-%b-0" % answer["record"], "row": 0, "logit": logit, "bias": bias}
            answer |= {
                "contrib": json.dumps(dict(zip(features, parts, strict=True))),
                "model": "peer",
                "ts": now_ms,
            }
    return answers


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "whole", sys.argv[6])
