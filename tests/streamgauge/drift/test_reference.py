"""What a file is judged by is what ``streamgauge fit`` makes of the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError, NoProductionModel, ReferenceDrifts, UnknownRun
from core.miniflow import MiniFlow
from core.settings import Settings
from streamgauge.drift.reference import LEAST_ROWS, fitted_reference, logged_reference
from tests.streamgauge.drift.conftest import WriteRows, normal_rows
from trainer.commands import fit_table
from trainer.fit import FittedModel
from trainer.run_log import log_run

pytestmark = pytest.mark.usefixtures("quick_calibration")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    x = normal_rows(200, 6)
    lines = [",".join([*map(repr, row), "yes" if sum(row) > 9.0 else "no"]) for row in x.tolist()]
    lines[::9] = [line.replace("yes", "no") for line in lines[::9]]
    path = tmp_path / "labelled.csv"
    path.write_text("\n".join(["a,b,c,good", *lines]) + "\n")
    return path


@pytest.mark.parametrize("ordered", [True, False])
def test_a_labelled_file_gives_the_model_of_fit_byte_for_byte(
    labelled: Path, tmp_path: Path, ordered: bool
) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"), seed=3)
    report = fit_table(labelled, "good", "no", settings, ordered=ordered)
    logged = MiniFlow(settings.miniflow_path, settings.pipeline).model(report.run_id)
    reference = fitted_reference(labelled, "good", "no", settings, ordered=ordered)
    assert reference.file.encoded == logged.encoded
    assert len(reference.rows.x) == logged.drift.rows
    assert np.array_equal(reference.rows.x.mean(axis=0), logged.profile.mean)


def test_a_threshold_that_cannot_be_had_keeps_no_file_from_being_judged(tmp_path: Path) -> None:
    x = normal_rows(200, 6)
    lines = [f"{','.join(map(repr, row))},{number % 2}" for number, row in enumerate(x.tolist())]
    path = tmp_path / "without-a-pattern.csv"
    path.write_text("\n".join(["a,b,c,good", *lines]) + "\n")
    settings = Settings(miniflow=str(tmp_path / "miniflow"), min_precision=1.0)
    with pytest.raises(DataError, match="precision"):
        fit_table(path, "good", None, settings)
    reference = fitted_reference(path, "good", None, settings, ordered=True)
    assert reference.file.encoded == fitted_reference(path, "good", None, Settings(), ordered=True).file.encoded


def test_the_reference_of_a_file_has_the_calibration_that_fit_would_give_it(
    labelled: Path, tmp_path: Path
) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"), calibrate="platt")
    report = fit_table(labelled, "good", None, settings)
    logged = MiniFlow(settings.miniflow_path, settings.pipeline).model(report.run_id)
    reference = fitted_reference(labelled, "good", None, settings, ordered=True)
    assert reference.file.model.calibration is not None
    assert reference.file.encoded == logged.encoded


def test_production_is_the_default_and_any_run_can_be_named(labelled: Path, tmp_path: Path) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"))
    first = fit_table(labelled, "good", None, settings).run_id
    assert logged_reference(settings, None).name == first
    second = fit_table(labelled, "good", None, settings).run_id
    assert logged_reference(settings, second).name == second
    with pytest.raises(UnknownRun):
        logged_reference(settings, "0123456789ab")


def test_the_column_of_classes_is_known_of_a_run_and_of_those_that_descend_from_it(
    labelled: Path, tmp_path: Path, fitted: FittedModel
) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"))
    first = fit_table(labelled, "good", None, settings).run_id
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    retrained = log_run(miniflow, fitted, "drift", {"production": first})
    again = log_run(miniflow, fitted, "drift", {"production": retrained})
    assert {logged_reference(settings, run).label for run in (first, retrained, again)} == {"good"}
    assert fitted_reference(labelled, "good", None, settings, ordered=True).label == "good"


def test_of_a_run_that_names_no_column_of_classes_none_is_known(tmp_path: Path, fitted: FittedModel) -> None:
    settings = Settings(miniflow=str(tmp_path / "miniflow"))
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    bare = log_run(miniflow, fitted, "test")
    lost = log_run(miniflow, fitted, "drift", {"production": "0123456789ab"})
    circular = log_run(miniflow, fitted, "drift")
    miniflow.run(circular).log_params({"production": circular})
    damaged = log_run(miniflow, fitted, "fit", {"label": "good"})
    (miniflow.run(damaged).directory / "params.json").write_text("{")
    assert {logged_reference(settings, run).label for run in (bare, lost, circular, damaged)} == {None}


def test_without_production_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoProductionModel, match="--reference"):
        logged_reference(Settings(miniflow=str(tmp_path)), None)


def test_an_unlabelled_reference_watches_no_prediction(tmp_path: Path) -> None:
    x = normal_rows(300, 7)
    path = tmp_path / "plain.csv"
    path.write_text("a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in x.tolist()) + "\n")
    reference = fitted_reference(path, None, None, Settings(), ordered=True)
    assert not reference.labelled
    assert reference.file.drift.rows == len(x)
    assert reference.file.drift.transform.probability_factor == 0.0
    assert np.array_equal(reference.rows.x, x)
    again = fitted_reference(path, None, None, Settings(), ordered=True)
    assert again.file.encoded == reference.file.encoded


def test_a_text_column_of_an_unlabelled_reference_is_named_with_its_line(write_rows: WriteRows) -> None:
    path = write_rows("noted.csv", normal_rows(50, 8))
    with pytest.raises(DataError, match=r"line 2 .*note .*--label"):
        fitted_reference(path, None, None, Settings(), ordered=True)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("a,b\n" + "1,2\n" * (LEAST_ROWS - 1), "too few"),
        ("a,b\n" + "1,2\n" * 50, "same value"),
        ("a,b\n" + "1,2\n2,1e200\n" * 50, "'b'"),
        ("_id\n" + "1\n" * 50, "no column"),
        ("", "empty"),
    ],
)
def test_an_unlabelled_reference_that_says_nothing_is_refused(tmp_path: Path, content: str, word: str) -> None:
    path = tmp_path / "poor.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=word):
        fitted_reference(path, None, None, Settings(), ordered=True)


def test_a_reference_that_drifts_itself_needs_to_be_unordered(tmp_path: Path) -> None:
    x = normal_rows(400, 9, shift=1.0, begin=200)
    path = tmp_path / "drifting.csv"
    path.write_text("a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in x.tolist()) + "\n")
    with pytest.raises(ReferenceDrifts, match="--unordered"):
        fitted_reference(path, None, None, Settings(), ordered=True)
    assert fitted_reference(path, None, None, Settings(), ordered=False).rows.order is None


def test_the_rows_of_a_dependent_reference_keep_their_order(tmp_path: Path) -> None:
    generator = np.random.default_rng(10)
    x = generator.normal(size=(2_000, 2))
    for row in range(1, len(x)):
        x[row] += 0.7 * x[row - 1]
    path = tmp_path / "dependent.csv"
    path.write_text("a,b\n" + "\n".join(",".join(map(repr, row)) for row in x.tolist()) + "\n")
    reference = fitted_reference(path, None, None, Settings(), ordered=True)
    rows = reference.rows.of(reference.file)
    assert rows.dependent
    assert rows.known.tolist() == [False] + [True] * (len(x) - 1)
    assert rows.before is not None
    assert np.array_equal(rows.before[1:], rows.values[:-1])
    assert not fitted_reference(path, None, None, Settings(), ordered=False).rows.of(reference.file).dependent
