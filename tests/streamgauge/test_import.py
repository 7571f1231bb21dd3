"""``streamgauge import`` as a user runs it: from scikit-learn to a scorer's answer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.streamgauge.one_scorer import scorer_answer
from tests.trainer.imported.exporting import export
from trainer.table import read_table

Run = Callable[..., subprocess.CompletedProcess[str]]

#: Contract of the import.
EXACT = 1e-12


@pytest.fixture
def model(small_csv: Path, tmp_path: Path) -> Path:
    """A pipeline that was trained on the small file, as the page says to write it."""
    table = read_table(small_csv, "good")
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(table.x, np.array(table.classes)[table.y])
    return export(fitted, tmp_path)


def test_a_scorer_answers_what_scikit_learn_answers(run: Run, raisin_csv: Path, tmp_path: Path) -> None:
    table = read_table(raisin_csv, "Class", "Besni")
    fitted = make_pipeline(StandardScaler(), LogisticRegression())
    fitted.fit(table.x, np.array(table.classes)[table.y])
    answer = run(
        *("import", export(fitted, tmp_path), "--data", raisin_csv, "--label", "Class", "--positive", "Besni"),
        "--json",
    )
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["promoted"]
    records = [dict(zip(table.features, row, strict=True)) for row in table.x[::10].tolist()]
    predictions = scorer_answer(tmp_path, records)
    assert {each["model"] for each in predictions} == {report["run_id"]}
    expected = fitted.predict_proba(table.x[::10])[:, list(fitted.classes_).index("Besni")]
    np.testing.assert_allclose([each["p_class1"] for each in predictions], expected, rtol=0, atol=EXACT)


def test_an_import_says_what_it_did_and_what_to_doubt(run: Run, model: Path, small_csv: Path) -> None:
    answer = run("import", model, "--data", small_csv, "--label", "good")
    assert answer.returncode == 0, answer.stderr
    assert "'yes' is class 1 (as the model has it; --positive chooses the other)" in answer.stdout
    assert "warning: the rows that judge this model" in answer.stdout
    assert answer.stdout.splitlines()[-1].startswith("promoted: Nothing is in production yet")
    (listed,) = json.loads(run("runs", "--json").stdout)
    assert (listed["reason"], listed["role"]) == ("import", "production")


def test_an_imported_model_is_rolled_back_and_swept_as_any_other(run: Run, model: Path, small_csv: Path) -> None:
    fitted = json.loads(run("fit", small_csv, "--label", "good", "--json").stdout)
    answer = run("import", model, "--data", small_csv, "--label", "good", "--unseen", "--json")
    assert answer.returncode == 0, answer.stderr
    imported = json.loads(answer.stdout)["run_id"]
    assert run("promote", imported).returncode == 0
    assert run("threshold", "--by", "f1").returncode == 0
    assert fitted["run_id"] in run("rollback").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("small.csv", "--data", "small.csv"), "not JSON"),
        (("model.json", "--data", "missing.csv"), "missing.csv"),
        (("model.json", "--data", "small.csv", "--calibrate", "magic"), "calibrate is 'magic'"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(
    run: Run, model: Path, small_csv: Path, options: tuple[str, ...], said: str
) -> None:
    assert model.parent == small_csv.parent
    answer = run("import", *options, "--label", "good")
    assert answer.returncode == 2, (answer.stdout, answer.stderr)
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert "no runs yet" in run("runs").stdout
