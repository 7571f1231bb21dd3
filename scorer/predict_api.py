"""POST /predict: score JSON objects of features over HTTP."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from core.errors import RecordError
from core.http import Handler, Response, error_response, json_response
from core.model import Floats
from core.number import parse_number
from scorer.model_watcher import ProductionModel


class PredictionAnswer(msgspec.Struct, frozen=True):
    """One record's result as JSON."""

    pred: int
    p_class1: float
    logit: float
    bias: float
    feature_contrib_logit: dict[str, float]
    model: str


def predict_handler(current: Callable[[], ProductionModel | None]) -> Handler:
    """The handler of POST /predict for whichever model is current at each request."""

    def predict(body: bytes) -> Response:
        production = current()
        if production is None:
            return error_response(503, "there is no model in production yet; run streamgauge fit")
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return error_response(
                400, f"the body is not JSON ({error}); send an object of features, or a list of them"
            )
        single = isinstance(document, dict)
        records = [document] if single else document
        if not isinstance(records, list) or not records:
            return error_response(400, "send one JSON object of features, or a list of at least one")
        model = production.file.model
        try:
            x = np.array(
                [_row(record, index, model.schema.features, single) for index, record in enumerate(records)]
            )
        except RecordError as error:
            return error_response(400, error.detail)
        scores = model.score(x)
        overflowing = np.flatnonzero(~np.isfinite(scores.logit))
        if len(overflowing):
            return error_response(400, f"record {overflowing[0]}: the logit overflows float64; check the units")
        answers = [
            PredictionAnswer(
                int(scores.predicted[index]),
                float(scores.probability[index]),
                float(scores.logit[index]),
                model.intercept,
                _by_feature(model.schema.features, scores.contributions[index]),
                production.run_id,
            )
            for index in range(len(x))
        ]
        return json_response(200, answers[0] if single else answers)

    return predict


def _row(record: Any, index: int, features: tuple[str, ...], single: bool) -> list[float]:
    """Feature values in schema order; fields that are no feature are ignored. Raises RecordError."""
    where = "" if single else f"record {index}: "
    if not isinstance(record, dict):
        raise RecordError("bad_field", f"{where}send a JSON object of features, not {type(record).__name__}")
    values = []
    for name in features:
        if name not in record:
            raise RecordError("missing_feature", f"{where}feature {name!r} is missing; send all {len(features)}")
        values.append(_number(record[name], name, where))
    return values


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, str):
        try:
            return parse_number(value.encode(), name)
        except RecordError as error:
            raise RecordError(error.reason, where + error.detail) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = "null" if value is None else type(value).__name__
        raise RecordError("not_a_number", f"{where}feature {name!r} is {kind}; send a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RecordError("not_finite", f"{where}feature {name!r} is beyond float64; send a finite number")
    return number


def _by_feature(features: tuple[str, ...], contributions: Floats) -> dict[str, float]:
    return dict(zip(features, contributions.tolist(), strict=True))
