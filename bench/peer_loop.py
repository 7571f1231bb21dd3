"""The peer: what one writes by hand with redis-py and scikit-learn; a process that answers until it is killed.

It does what the scorer does on plain records: parse the text, predict the probability, publish, acknowledge; but
not in one step, so a crash between the last two answers a batch twice, and one bad record ends it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import redis

from bench.table import make_rows
from core.model import Floats
from streamgauge.demo.raisin_like import FEATURES


def main(url: str, records: str, predictions: str, count: int, whole: bool, seed: int) -> None:
    """Answer records for ever, up to ``count`` a read; ``whole``: with all the fields that the scorer answers."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (in the test extra only)
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415  (as above)
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  (as above)

    x = make_rows(900, seed)
    y = x[:, 0] + np.random.default_rng(seed).normal(0, x[:, 0].std(), len(x)) > x[:, 0].mean()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    client = redis.Redis.from_url(url)
    client.xgroup_create(records, "peer", "0", mkstream=True)
    names = [name.encode() for name in FEATURES]
    while True:
        reply: Any = client.xreadgroup("peer", "me", {records: ">"}, count=count, block=1000)
        for _, entries in reply:
            rows = np.array([[float(fields[name]) for name in names] for _, fields in entries])
            answers = _answers(model, entries, rows, whole)
            pipe = client.pipeline(transaction=False)
            for answer in answers:
                pipe.xadd(predictions, answer)
            pipe.xack(records, "peer", *(entry_id for entry_id, _ in entries))
            pipe.execute()


def _answers(model: Any, entries: list[Any], rows: Floats, whole: bool) -> list[dict[Any, Any]]:
    probabilities = model.predict_proba(rows)[:, 1].tolist()
    ids = [entry_id for entry_id, _ in entries]
    answers: list[dict[Any, Any]] = [
        {"record": entry_id, "pred": int(p >= 0.5), "p_class1": repr(p)}
        for entry_id, p in zip(ids, probabilities, strict=True)
    ]
    if whole:
        contributions = model[0].transform(rows) * model[1].coef_[0]
        bias = float(model[1].intercept_[0])
        logits = (contributions.sum(axis=1) + bias).tolist()
        for answer, logit, parts in zip(answers, logits, contributions.tolist(), strict=True):
            answer["id"] = b"0-" + answer["record"] + b"-0"
            answer["contrib"] = json.dumps(dict(zip(FEATURES, parts, strict=True)))
            answer |= {"_v": 1, "row": 0, "logit": repr(logit), "bias": repr(bias), "model": "peer"}
            answer["ts"] = int(time.time() * 1000)
    return answers


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "whole", int(sys.argv[6]))
