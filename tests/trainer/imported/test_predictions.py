"""The statements of docs/importing.md: what comes of them predicts as scikit-learn does, to 1e-12."""

from __future__ import annotations

import ast
import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from core.errors import DataError
from core.model import Floats, LogisticModel, sigmoid
from core.profile import moments
from tests.trainer.imported.exporting import export, snippet
from trainer.imported.document import read_imported
from trainer.imported.match import model_of, read_rows
from trainer.imported.solver import Imported
from trainer.solvers.base import Problem
from trainer.table import Table

#: Contract of the import.
EXACT = 1e-12


def write_rows(path: Path, x: Floats, labels: NDArray[Any], names: tuple[str, ...], label: str = "class") -> Path:
    """Rows as a CSV file, with every digit."""
    lines = [",".join([*map(repr, row), str(each)]) for row, each in zip(x.tolist(), labels, strict=True)]
    path.write_text("\n".join([",".join([*names, label]), *lines]) + "\n")
    return path


def drawn(classes: tuple[Any, Any] = ("no", "yes"), n: int = 200) -> tuple[Floats, NDArray[Any]]:
    """Rows on different scales, and classes that hang on them."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(n, 3)) * [1.0, 50.0, 0.01] + [0.0, 400.0, 1.0]
    y = generator.random(n) < 1 / (1 + np.exp(-x[:, 0] - (x[:, 1] - 400.0) / 50.0))
    return x, np.where(y, np.array(classes[1]), np.array(classes[0]))


def imported(
    tmp_path: Path, fitted: Any, x: Floats, labels: NDArray[Any], positive: str | None = None
) -> LogisticModel:
    """The way of the command: written, read, matched with a CSV file."""
    model = read_imported(export(fitted, tmp_path))
    table = read_rows(write_rows(tmp_path / "rows.csv", x, labels, ("a", "b", "c")), "class", positive, model)
    return model_of(model, table, *moments(table.x))


def assert_equal_predictions(model: LogisticModel, fitted: Any, x: Floats, column: int = 1) -> None:
    expected = fitted.predict_proba(x)[:, column]
    np.testing.assert_allclose(model.score(x).probability, expected, rtol=0.0, atol=EXACT)
    one_by_one = [float(model.score(x[[row]]).probability[0]) for row in range(len(x))]
    np.testing.assert_allclose(one_by_one, expected, rtol=0.0, atol=EXACT)


FITTED = {
    "alone": LogisticRegression(max_iter=10_000),
    "alone without intercept": LogisticRegression(fit_intercept=False, max_iter=10_000),
    "alone, no penalty": LogisticRegression(C=np.inf, max_iter=10_000),
    "with mean and scale": make_pipeline(StandardScaler(), LogisticRegression()),
    "without mean": make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=10_000)),
    "without scale": make_pipeline(StandardScaler(with_std=False), LogisticRegression(max_iter=10_000)),
    "with neither": make_pipeline(
        StandardScaler(with_mean=False, with_std=False), LogisticRegression(max_iter=10_000)
    ),
    "balanced, by names": Pipeline([("s", StandardScaler()), ("m", LogisticRegression(class_weight="balanced"))]),
    "random state": LogisticRegression(
        solver="saga", random_state=np.random.RandomState(0), tol=1e-2, max_iter=10_000
    ),
}


@pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)
def test_predictions_are_those_of_scikit_learn(tmp_path: Path, fitted: Any) -> None:
    x, labels = drawn()
    fitted.fit(x, labels)
    assert_equal_predictions(imported(tmp_path, fitted, x, labels), fitted, x)


def test_raisin_predicts_the_same(tmp_path: Path, raisin: Table, raisin_csv: Path) -> None:
    names = np.array(["Kecimen", "Besni"])[raisin.y]
    for fitted in (
        make_pipeline(StandardScaler(), LogisticRegression()),
        LogisticRegression(solver="newton-cholesky", C=np.inf),
    ):
        fitted.fit(raisin.x, names)
        model = read_imported(export(fitted, tmp_path))
        table = read_rows(raisin_csv, "Class", None, model)
        assert table.classes == ("Besni", "Kecimen")  # scikit-learn's order: by the alphabet
        assert_equal_predictions(model_of(model, table, *moments(table.x)), fitted, table.x)


@given(
    weights=st.lists(st.floats(-3, 3), min_size=2, max_size=2),
    intercept=st.floats(-3, 3),
    center=st.lists(st.floats(-100, 100), min_size=2, max_size=2),
    scale=st.lists(st.floats(0.01, 100), min_size=2, max_size=2),
    scaled=st.booleans(),
)
def test_any_learnt_numbers_predict_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    weights: list[float],
    intercept: float,
    center: list[float],
    scale: list[float],
    scaled: bool,
) -> None:
    base = np.random.default_rng(0).normal(size=(60, 2))
    x = base * scale + center if scaled else base
    labels = np.where(base[:, 0] > 0, "yes", "no")
    fitted = make_pipeline(StandardScaler(), LogisticRegression()) if scaled else LogisticRegression()
    fitted.fit(x, labels)
    regression = fitted[-1] if scaled else fitted
    regression.coef_, regression.intercept_ = np.array([weights]), np.array([intercept])
    folder = tmp_path_factory.getbasetemp()
    model = read_imported(export(fitted, folder))
    table = read_rows(write_rows(folder / "any.csv", x, labels, ("a", "b")), "class", None, model)
    assert_equal_predictions(model_of(model, table, *moments(table.x)), fitted, x)


@pytest.mark.parametrize(
    ("classes", "spelt"),
    [
        (("no", "yes"), ("no", "yes")),
        (("yes", "zero"), ("yes", "zero")),
        ((0, 1), ("0", "1")),
        ((0, 1), ("0.0", "1.0")),
        ((1, 2), ("1", "2")),
        ((2.0, 4.0), ("2", "4")),
        ((-1, 1), ("-1", "1")),
        ((False, True), ("False", "True")),
        ((False, True), ("false", "true")),
        ((False, True), ("0", "1")),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_class_1_is_that_of_the_model_or_the_one_asked_for(
    tmp_path: Path, classes: tuple[Any, Any], spelt: tuple[str, str], turned: bool
) -> None:
    x, labels = drawn(classes)
    fitted = LogisticRegression(max_iter=10_000).fit(x, labels)
    texts = np.array(spelt)[(labels == classes[1]).astype(int)]
    model = imported(tmp_path, fitted, x, texts, spelt[0] if turned else None)
    assert_equal_predictions(model, fitted, x, column=0 if turned else 1)
    named = [text.removesuffix(".0") if classes == (0, 1) else text for text in spelt]
    assert model.schema.classes == tuple(reversed(named) if turned else named)


def test_a_model_that_names_its_features_finds_them_in_any_order(tmp_path: Path) -> None:
    x, labels = drawn()
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, labels)
    fitted[0].feature_names_in_ = np.array(["a", "b", "c"], dtype=object)  # as of a DataFrame
    model = read_imported(export(fitted, tmp_path))
    del fitted[0].feature_names_in_  # so that it takes the array below
    rows = write_rows(
        tmp_path / "rows.csv",
        np.column_stack([x[:, [2, 0]], np.arange(200.0), x[:, 1]]),
        labels,
        ("c", "a", "id", "b"),
    )
    table = read_rows(rows, "class", None, model)
    assert table.features == ("a", "b", "c")
    assert_equal_predictions(model_of(model, table, *moments(table.x)), fitted, x)
    with pytest.raises(DataError, match=r"no column 'b'.*every feature"):
        read_rows(write_rows(rows, x, labels, ("a", "c", "d")), "class", None, model)


def test_other_columns_or_classes_than_the_models_are_one_sentence(tmp_path: Path) -> None:
    x, labels = drawn()
    model = read_imported(export(LogisticRegression(max_iter=10_000).fit(x, labels), tmp_path))
    with pytest.raises(DataError, match="has 2 columns beside 'class', and the model has 3 coefficients"):
        read_rows(write_rows(tmp_path / "two.csv", x[:, :2], labels, ("a", "b")), "class", None, model)
    others = np.where(labels == "no", "nein", "ja")
    with pytest.raises(DataError, match=r"'ja', 'nein'.*'no', 'yes'.*--label"):
        read_rows(write_rows(tmp_path / "other.csv", x, others, ("a", "b", "c")), "class", None, model)
    with pytest.raises(DataError, match="--positive 'maybe'"):
        read_rows(write_rows(tmp_path / "rows.csv", x, labels, ("a", "b", "c")), "class", "maybe", model)


@pytest.mark.parametrize(
    "other",
    [
        make_pipeline(MinMaxScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), StandardScaler(), LogisticRegression()),
    ],
    ids=["another scaler", "two scalers"],
)
def test_another_pipeline_is_not_taken_for_one_that_is_known(tmp_path: Path, other: Any) -> None:
    x, labels = drawn()
    with pytest.raises(DataError, match="only a LogisticRegression can be imported"):
        read_imported(export(other.fit(x, labels), tmp_path))


def test_three_classes_are_not_taken_for_two(tmp_path: Path) -> None:
    x, _ = drawn()
    fitted = LogisticRegression(max_iter=10_000).fit(x, np.resize(["a", "b", "c"], len(x)))
    with pytest.raises(DataError, match="3 classes"):
        read_imported(export(fitted, tmp_path))


def test_a_feature_that_is_constant_in_the_rows_keeps_its_weight(tmp_path: Path) -> None:
    x, labels = drawn()
    fitted = LogisticRegression(max_iter=10_000).fit(x, labels)
    x[:, 1] = 400.0
    model = imported(tmp_path, fitted, x, labels)
    assert model.coefficients[1] != 0.0
    x[:, 1] = np.linspace(300.0, 500.0, len(x))
    assert_equal_predictions(model, fitted, x)


def test_a_model_alone_is_exact_where_large_numbers_cancel(tmp_path: Path) -> None:
    x, labels = drawn()
    fitted = LogisticRegression(max_iter=10_000).fit(x - x.mean(axis=0), labels)
    far = x + 1e6
    fitted.intercept_ = fitted.intercept_ - fitted.coef_ @ far.mean(axis=0)
    model = imported(tmp_path, fitted, far, labels)
    weights, intercept = fitted.coef_[0].tolist(), float(fitted.intercept_[0])
    exact = [
        float(sum((Fraction(w) * Fraction(v) for w, v in zip(weights, row, strict=True)), Fraction(intercept)))
        for row in far.tolist()
    ]
    np.testing.assert_allclose(model.score(far).probability, sigmoid(np.array(exact)), rtol=0.0, atol=EXACT)


def test_contributions_of_a_model_alone_are_distances_from_the_mean(tmp_path: Path) -> None:
    x, labels = drawn()
    fitted = LogisticRegression(max_iter=10_000).fit(x, labels)
    contributions = imported(tmp_path, fitted, x, labels).score(x).contributions
    np.testing.assert_allclose(contributions, (x - x.mean(axis=0)) * fitted.coef_[0], rtol=1e-9, atol=1e-9)


def test_in_the_place_of_a_solver_it_gives_back_its_own_parameters(tmp_path: Path) -> None:
    x, labels = drawn()
    for fitted, positive in itertools.product((FITTED["alone"], FITTED["without scale"]), (None, "no")):
        model = read_imported(export(fitted.fit(x, labels), tmp_path))
        table = read_rows(write_rows(tmp_path / "rows.csv", x, labels, ("a", "b", "c")), "class", positive, model)
        mean, deviation = moments(table.x)
        solver = Imported.of(model, table, mean, deviation)
        z = (table.x - mean) / deviation
        solution = solver.solve(Problem(z, table.y), 0)
        logit = z @ solution.coefficients + solution.intercept
        np.testing.assert_allclose(logit, solver.model.score(x).logit, rtol=1e-9, atol=1e-9)
        assert solution.converged
        assert len(solution.history) == 1


def test_class_weights_by_the_numbers_of_an_array_are_no_obstacle(tmp_path: Path) -> None:
    x, labels = drawn((0, 1))
    fitted = LogisticRegression(class_weight=dict.fromkeys(np.unique(labels), 2.0)).fit(x, labels)
    assert_equal_predictions(imported(tmp_path, fitted, x, labels), fitted, x)


def test_the_statements_of_the_page_are_three_and_pickle_nothing() -> None:
    assert len(ast.parse(snippet()).body) == 3
    assert "pickle" not in snippet()


def test_the_example_of_the_page_can_be_imported(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")
    example = page.split("```json\n")[1].split("```")[0]
    (tmp_path / "example.json").write_text(example)
    model = read_imported(tmp_path / "example.json")
    assert model.features == ("size", "weight")
    assert json.loads(example)["streamgauge_import"] == 1
