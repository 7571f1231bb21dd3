"""The file of an imported model: what is read of it, and the sentence that each malformed one gets."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from trainer.imported.document import ImportedModel, read_imported

SCALER: dict[str, Any] = {
    "class": "StandardScaler",
    "with_mean": True,
    "mean_": [1.0, 2],
    "with_std": True,
    "scale_": [0.5, 4.0],
}
REGRESSION: dict[str, Any] = {
    "class": "LogisticRegression",
    "classes_": ["no", "yes"],
    "coef_": [[0.5, -1]],
    "intercept_": [0.25],
}


def document(**changes: Any) -> dict[str, Any]:
    """A pipeline's file, the regression with changes; None takes a name out."""
    regression = {name: value for name, value in (REGRESSION | changes).items() if value is not None}
    return {"streamgauge_import": 1, "steps": [copy.deepcopy(SCALER), regression]}


def scaled(**changes: Any) -> dict[str, Any]:
    """The same, the scaler with changes."""
    scaler = {name: value for name, value in (SCALER | changes).items() if value is not None}
    return {"streamgauge_import": 1, "steps": [scaler, copy.deepcopy(REGRESSION)]}


def read(tmp_path: Path, content: Any) -> ImportedModel:
    path = tmp_path / "model.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_imported(path)


def read_or_refusal(path: Path) -> tuple[ImportedModel | None, str]:
    """The model, or why there is none; whatever else is raised is a failure."""
    try:
        return read_imported(path), ""
    except DataError as error:
        return None, str(error)


def expect_sentence(tmp_path: Path, content: Any, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "model.json"))
    assert "\n" not in said
    assert len(said) < len(str(tmp_path)) + 400
    for word in words:
        assert word in said


def test_a_pipeline_is_read_as_it_stands(tmp_path: Path) -> None:
    model = read(tmp_path, document(feature_names_in_=["size", "weight"], C=2.0, n_iter_=[7], verbose=0))
    assert model.features == ("size", "weight")
    assert model.classes == ("no", "yes")
    assert (model.coefficients.tolist(), model.intercept) == ([0.5, -1.0], 0.25)
    assert (model.scaled, model.center.tolist(), model.scale.tolist()) == (True, [1.0, 2.0], [0.5, 4.0])
    assert model.params == {"steps": "StandardScaler, LogisticRegression", "c": 2.0, "sha256": model.sha256}


def test_a_model_alone_has_no_scale_and_needs_no_names(tmp_path: Path) -> None:
    model = read(tmp_path, {"streamgauge_import": 1, "steps": [REGRESSION | {"C": float("inf")}]})
    assert (model.features, model.scaled) == (None, False)
    assert (model.center.tolist(), model.scale.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    assert model.params["c"] == "inf"


def test_what_the_scaler_does_not_do_is_not_done(tmp_path: Path) -> None:
    # scikit-learn has mean_ even where it does not subtract it
    model = read(tmp_path, scaled(with_mean=False))
    assert (model.center.tolist(), model.scale.tolist()) == ([0.0, 0.0], [0.5, 4.0])
    model = read(tmp_path, scaled(with_std=False, scale_=None))
    assert (model.center.tolist(), model.scale.tolist()) == ([1.0, 2.0], [1.0, 1.0])


def test_the_names_may_be_those_of_either_step(tmp_path: Path) -> None:
    assert read(tmp_path, scaled(feature_names_in_=["a", "b"])).features == ("a", "b")
    assert read(tmp_path, document(feature_names_in_=["a", "b"])).features == ("a", "b")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + json.dumps(document()).encode()).intercept == 0.25


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (pickle.dumps({"streamgauge_import": 1}), "a pickle is never read"),
        (b'{"streamgauge_import": 1, "steps": ' + b"9" * 5_000 + b"}", "not JSON"),
        ([1], '"streamgauge_import": 1'),
        ({}, '"streamgauge_import": 1'),
        (document() | {"streamgauge_import": True}, '"streamgauge_import": 1'),
        (document() | {"streamgauge_import": "1"}, '"streamgauge_import": 1'),
        (document() | {"streamgauge_import": 0}, '"streamgauge_import": 1'),
        (document() | {"streamgauge_import": 2}, "upgrade streamgauge"),
    ],
)
def test_what_is_no_such_file_is_one_sentence(tmp_path: Path, content: Any, word: str) -> None:
    expect_sentence(tmp_path, content, word)


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        ["StandardScaler"],
        ["PCA", "LogisticRegression"],
        ["StandardScaler", "StandardScaler", "LogisticRegression"],
        ["LogisticRegression", "StandardScaler"],
        ["LogisticRegressionCV"],
        [None],
    ],
)
def test_other_steps_are_named(tmp_path: Path, kinds: list[str | None]) -> None:
    steps = [{**SCALER, **REGRESSION, "class": kind} for kind in kinds]
    expect_sentence(
        tmp_path, {"streamgauge_import": 1, "steps": steps}, "only a LogisticRegression", *map(str, kinds)
    )


@pytest.mark.parametrize("steps", [None, "LogisticRegression", {}, [REGRESSION, 1], [1]])
def test_steps_that_are_none_are_one_sentence(tmp_path: Path, steps: Any) -> None:
    expect_sentence(tmp_path, {"streamgauge_import": 1, "steps": steps}, "only a LogisticRegression")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (document(coef_=None), ("coef_",)),
        (document(intercept_=None), ("intercept_",)),
        (document(classes_=None), ("classes_",)),
        (document(coef_=[0.5, 1.0]), ("coef_",)),
        (document(coef_=[["a", 1.0]]), ("coef_",)),
        (document(coef_=[[True, 1.0]]), ("coef_",)),
        (document(coef_=[[]]), ("coef_ is empty",)),
        (document(coef_=[[float("nan"), 1.0]]), ("coef_", "not finite")),
        (document(coef_=[[10**400, 1.0]]), ("coef_",)),
        (document(intercept_=[float("inf")]), ("intercept_", "not finite")),
        (document(intercept_=0.5), ("intercept_",)),
        (document(intercept_=[]), ("0 intercepts",)),
        (document(classes_=["a", "b", "c"], coef_=[[1.0, 2.0]] * 3, intercept_=[1.0] * 3), ("3 classes", "two")),
        (document(classes_=["a"]), ("1 classes",)),
        (document(classes_=["a", ["b"]]), ("classes_",)),
        (document(multi_class="multinomial"), ("multinomial",)),
        (document(feature_names_in_=["a"]), ("1 features for 2 coefficients",)),
        (document(feature_names_in_=["a", "a"]), ("occurs twice",)),
        (document(feature_names_in_=["a", "_b"]), ("underscore",)),
        (document(feature_names_in_=["a", "\ud800"]), ("UTF-8",)),
        (document(feature_names_in_=["a", 1]), ("feature_names_in_",)),
        (document(coef_=[[1.0, 2.0, 3.0]]), ("mean_", "2 values for 3")),
        (scaled(mean_=None), ("no mean_", "fitted")),
        (scaled(scale_=None), ("no scale_",)),
        (scaled(scale_=[1.0]), ("scale_", "1 values for 2")),
        (scaled(scale_=[1.0, 0.0]), ("scale_", "not above 0")),
        (scaled(scale_=[1.0, -1.0]), ("scale_", "not above 0")),
        (scaled(mean_=[1.0, float("-inf")]), ("mean_", "not finite")),
        (scaled(with_mean="yes"), ("with_mean",)),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, content: Any, words: tuple[str, ...]) -> None:
    expect_sentence(tmp_path, content, *words)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_imported(tmp_path / "missing.json")
    with pytest.raises(DataError, match="is a directory"):
        read_imported(tmp_path)


def test_a_file_beyond_reason_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.imported.document.MAX_BYTES", 100)
    expect_sentence(tmp_path, document(), "more than 100 bytes")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    where=st.sampled_from([(step, name) for step, held in enumerate((SCALER, REGRESSION)) for name in held]),
    value=JSON_VALUES,
)
def test_any_value_in_any_place_is_a_usable_model_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, where: tuple[int, str], value: Any
) -> None:
    content = document()
    content["steps"][where[0]][where[1]] = value
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    model, said = read_or_refusal(path)
    assert "\n" not in said
    assert len(said) < len(str(path)) + 400
    if model is not None:
        assert np.isfinite([*model.coefficients, model.intercept, *model.center, *model.scale]).all()
        assert (model.scale > 0).all()
        assert len(model.coefficients) == len(model.center) == len(model.scale)
