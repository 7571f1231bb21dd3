"""POST /predict: what it answers, and what it says of bad input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.calibration import Calibration
from core.http import Request, Response
from core.model import sigmoid
from core.model_file import ModelFile
from scorer.model_watcher import ProductionModel
from scorer.predict_api import predict_handler
from tests.scorer.conftest import FIRST_RUN

Predict = Callable[[str | bytes], tuple[int, Any]]

GOOD = '{"Area": 1, "MajorAxisLength": 2.5, "Eccentricity": 3e0}'


def _decoded(response: Response) -> tuple[int, Any]:
    assert response.body.endswith(b"\n")
    return response.status, json.loads(response.body)


@pytest.fixture
def predict(model_file: ModelFile) -> Predict:
    handler = predict_handler(lambda: ProductionModel(FIRST_RUN, 1, 0, model_file))
    return lambda body: _decoded(handler(Request(body=body.encode() if isinstance(body, str) else body)))


def _with_area(literal: str) -> str:
    return f'{{"Area": {literal}, "MajorAxisLength": 2, "Eccentricity": 3}}'


def test_one_object_is_answered_as_one_object_whose_parts_sum(predict: Predict) -> None:
    status, answer = predict(GOOD)
    assert status == 200
    assert list(answer) == ["pred", "p_class1", "logit", "bias", "feature_contrib_logit", "model"]
    parts = answer["feature_contrib_logit"]
    assert list(parts) == ["Area", "MajorAxisLength", "Eccentricity"]
    tolerance = 1e-12 * (abs(answer["bias"]) + sum(map(abs, parts.values())))
    assert abs(answer["bias"] + math.fsum(parts.values()) - answer["logit"]) <= tolerance
    assert answer["pred"] == int(answer["p_class1"] >= 0.5)
    assert answer["model"] == FIRST_RUN


def test_a_calibrated_model_says_both_probabilities_and_keeps_its_threshold(model_file: ModelFile) -> None:
    calibration = Calibration("platt", np.array([0.5, 0.1]))
    model = replace(model_file.model, calibration=calibration, threshold=1.0)
    handler = predict_handler(lambda: ProductionModel(FIRST_RUN, 1, 0, replace(model_file, model=model)))
    status, answer = _decoded(handler(Request(body=GOOD.encode())))
    assert status == 200
    assert list(answer) == ["pred", "p_class1", "p_raw", "logit", "bias", "feature_contrib_logit", "model"]
    logit = np.array([answer["logit"]])
    assert answer["p_class1"] == calibration.apply(logit)[0]
    assert answer["p_raw"] == sigmoid(logit)[0]
    assert answer["pred"] == 0


def test_a_list_is_answered_as_a_list_bit_for_bit_as_one_by_one(predict: Predict) -> None:
    bodies = [_with_area(str(area)) for area in range(50)]
    status, answers = predict(f"[{','.join(bodies)}]")
    assert status == 200
    assert answers == [predict(body)[1] for body in bodies]


def test_a_number_may_come_as_decimal_text_and_other_fields_are_ignored(predict: Predict) -> None:
    assert predict('{"Area": "1", "MajorAxisLength": "2.5", "Eccentricity": "3", "Class": "Besni"}') == predict(
        GOOD
    )


@pytest.mark.parametrize(
    ("literal", "said"),
    [
        ('"abc"', "decimal"),
        ('""', "decimal"),
        ('"1_000"', "decimal"),
        ('"nan"', "finite"),
        ('"\\ud800"', "decimal"),
        ("null", "null"),
        ("true", "true or false"),
        ("[1]", "a list"),
        ('{"a": 1}', "an object"),
        ("NaN", "finite"),
        ("-Infinity", "finite"),
        ("1e999", "finite"),
        ("1" + "0" * 400, "finite"),
        ("1" * 5_000, "finite"),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_a_bad_value_is_400_and_the_error_names_the_field_and_the_record(
    predict: Predict, literal: str, said: str, listed: bool
) -> None:
    status, answer = predict(f"[{GOOD},{_with_area(literal)}]" if listed else _with_area(literal))
    assert (status, list(answer)) == (400, ["error"])
    assert "'Area'" in answer["error"]
    assert said in answer["error"]
    assert answer["error"].startswith("record 1: ") is listed
    assert len(answer["error"]) < 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"Area": 1, "MajorAxisLength": 2}', "'Eccentricity' is missing"),
        ("{}", "'Area' is missing"),
        ('{"Area": 1, "Area": 2, "MajorAxisLength": 2, "Eccentricity": 3}', "'Area' occurs twice"),
        ('{"Area": 1e308, "MajorAxisLength": -1e308, "Eccentricity": 1e308}', "overflows"),
        ("", "not JSON"),
        ("Area=1", "not JSON"),
        (GOOD[:-1], "not JSON"),
        (GOOD + GOOD, "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b'{"Area": "\xff"}', "not JSON"),
        (GOOD.encode("utf-16"), "not JSON"),
        ("[]", "at least one"),
        ("null", "one JSON object"),
        ("3", "one JSON object"),
        ('"text"', "one JSON object"),
        ("[3]", "record 0: send a JSON object"),
        (f"[{GOOD}, null]", "record 1: send a JSON object of features, not null"),
        (f"[{GOOD}, [1]]", "record 1: send a JSON object of features, not a list"),
    ],
)
def test_a_bad_body_is_400_and_the_error_says_what_to_send(predict: Predict, body: str | bytes, said: str) -> None:
    status, answer = predict(body)
    assert (status, list(answer)) == (400, ["error"])
    assert said in answer["error"]


def test_without_a_model_the_answer_is_503() -> None:
    status, answer = _decoded(predict_handler(lambda: None)(Request(body=GOOD.encode())))
    assert status == 503
    assert "streamgauge fit" in answer["error"]
