"""The peer: POST /predict by FastAPI, uvicorn and scikit-learn, with the fields that the scorer answers.

An ``async def`` handler, which is the faster of FastAPI's two kinds here: the other hops to a thread and back.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import uvicorn  # type: ignore[import-not-found]  # in the peers' environment only
from fastapi import FastAPI  # type: ignore[import-not-found]  # as above
from pydantic import BaseModel, create_model

from bench.peers.sklearn_model import load


def make_app(model_path: str) -> Any:
    """The application: one number a feature in, class and probability out."""
    model, names = load(model_path)
    bias = float(model[1].intercept_[0])
    fields: dict[str, Any] = dict.fromkeys(names, (float, ...))
    record_type: Any = create_model("Record", **fields)

    class Answer(BaseModel):
        """One result."""

        pred: int
        p_class1: float
        logit: float
        bias: float
        feature_contrib_logit: dict[str, float]
        model: str

    async def predict(record: record_type) -> Answer:
        rows = np.array([[getattr(record, name) for name in names]])
        p = float(model.predict_proba(rows)[0, 1])
        contributions = model[0].transform(rows)[0] * model[1].coef_[0]
        return Answer(
            pred=int(p >= 0.5),
            p_class1=p,
            logit=float(contributions.sum()) + bias,
            bias=bias,
            feature_contrib_logit=dict(zip(names, contributions.tolist(), strict=True)),
            model="peer",
        )

    predict.__annotations__ = {"record": record_type, "return": Answer}  # FastAPI cannot see a function's locals
    app = FastAPI()
    app.post("/predict")(predict)
    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
