"""POST /predict: score JSON objects of features over HTTP."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from core.errors import RecordError
from core.http import Handler, Request, Response, error_response, json_response
from core.number import parse_number
from scorer.model_watcher import ProductionModel

#: Most records in one request: an answer takes a kilobyte of memory, of which a scorer has little.
MAX_RECORDS = 10_000


class PredictionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One record's result as JSON."""

    pred: int  #: the class: 1 from the model's threshold on
    p_class1: float  #: probability of class 1, calibrated where the model is
    p_raw: float | msgspec.UnsetType = msgspec.UNSET  #: before calibration, only where the model has one
    logit: float  #: ``bias`` + sum of the contributions
    bias: float  #: the model's intercept
    feature_contrib_logit: dict[str, float]  #: what each feature adds to the logit
    model: str  #: run that answered


def predict_handler(
    current: Callable[[], ProductionModel | None], obstacle: Callable[[], str | None] = lambda: None
) -> Handler:
    """The handler of POST /predict for whichever model is current at each request.

    ``obstacle`` says why there is none, where there is one in production.
    """

    def predict(request: Request) -> Response:
        production = current()
        if production is None:
            return error_response(503, obstacle() or "there is no model in production yet; run streamgauge fit")
        try:
            document = _decode(request.body)
        except RecordError as error:
            return error_response(400, error.detail)
        single = isinstance(document, dict)
        records = [document] if single else document
        refused = _refused(records)
        if refused is not None:
            return refused
        model = production.file.model
        try:
            x = np.array(
                [_row(record, index, model.schema.features, single) for index, record in enumerate(records)]
            )
        except RecordError as error:
            return error_response(400, error.detail)
        scores = model.score(x)
        finite = np.isfinite(scores.logit)
        if not finite.all():
            return error_response(400, f"record {finite.argmin()}: the logit overflows float64; check the units")
        features, bias, run_id = model.schema.features, model.intercept, production.run_id
        raw = scores.raw_probability
        answers = [
            PredictionAnswer(
                pred=predicted,
                p_class1=probability,
                p_raw=p_raw,
                logit=logit,
                bias=bias,
                feature_contrib_logit=dict(zip(features, shares, strict=True)),
                model=run_id,
            )
            for predicted, probability, p_raw, logit, shares in zip(
                scores.predicted.tolist(),
                scores.probability.tolist(),
                [msgspec.UNSET] * len(x) if raw is None else raw.tolist(),
                scores.logit.tolist(),
                scores.contributions.tolist(),
                strict=True,
            )
        ]
        return json_response(200, answers[0] if single else answers)

    return predict


def _refused(records: Any) -> Response | None:
    """The answer to what is no list of records, or too long a one."""
    if not isinstance(records, list) or not records:
        return error_response(400, "send one JSON object of features, or a list of at least one")
    if len(records) > MAX_RECORDS:
        return error_response(413, f"{len(records)} records are too many; send at most {MAX_RECORDS} at once")
    return None


def _decode(body: bytes) -> Any:
    """The document, every number a float. Raises RecordError.

    Numbers beyond float64, NaN and Infinity come back non-finite, so that the feature can be named;
    a name that is sent twice is an error, as in a stream.
    """
    try:
        return _decoder.decode(body.decode())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise RecordError(
            "bad_field", f"the body is not JSON ({error}); send an object of features, or a list of them"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((repeated, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise RecordError("duplicate_field", f"field {repeated!r} occurs twice; send each field once")
    return found


#: Made once: ``json.loads`` would make one for each request.
_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=float)


def _row(record: Any, index: int, features: tuple[str, ...], single: bool) -> list[float]:
    """Feature values in schema order; fields that are no feature are ignored. Raises RecordError."""
    where = "" if single else f"record {index}: "
    if not isinstance(record, dict):
        raise RecordError("bad_field", f"{where}send a JSON object of features, not {_kind(record)}")
    values = []
    for name in features:
        if name not in record:
            raise RecordError("missing_feature", f"{where}feature {name!r} is missing; send all {len(features)}")
        values.append(_number(record[name], name, where))
    return values


def _number(value: Any, name: str, where: str) -> float:
    if isinstance(value, str):
        try:
            return parse_number(value.encode(errors="backslashreplace"), f"feature {name!r}")
        except RecordError as error:
            raise RecordError(error.reason, where + error.detail) from error
    if not isinstance(value, float):
        raise RecordError("not_a_number", f"{where}feature {name!r} is {_kind(value)}; send a number")
    if not math.isfinite(value):
        raise RecordError("not_finite", f"{where}feature {name!r} is not finite in float64; send a finite number")
    return value


def _kind(value: object) -> str:
    """What JSON calls it."""
    kinds = {str: "text", float: "a number", bool: "true or false", list: "a list", dict: "an object"}
    return "null" if value is None else kinds[type(value)]
