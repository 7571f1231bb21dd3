"""An imported model as a run: its references, its judges, and when it may replace production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.drift_window import RetrainEvent
from core.errors import DataError, SchemaError
from core.miniflow import MiniFlow
from core.model import Floats
from core.model_file import ModelFile
from core.settings import Settings
from tests.trainer.imported.exporting import export
from trainer.commands import FitReport, fit_table, list_runs
from trainer.dataset import LabelledRows
from trainer.drift_reference import rows_before
from trainer.imported.command import import_model
from trainer.retraining import retrain
from trainer.solvers.newton import Newton

CLASSES = np.array(["no", "yes"])


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    """No Redis at all."""
    return Settings(miniflow=str(tmp_path / "miniflow"))


def rows(n: int, seed: int, noise: float = 1.0) -> tuple[Floats, np.ndarray[Any, np.dtype[np.str_]]]:
    """Rows whose class hangs on the first of two features."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2)) * [1.0, 20.0] + [0.0, 100.0]
    return x, CLASSES[(x[:, 0] + noise * generator.normal(size=n) > 0).astype(int)]


def csv(path: Path, n: int = 300, seed: int = 0, names: str = "a,b") -> Path:
    x, labels = rows(n, seed)
    lines = [f"{one!r},{two!r},{label}" for (one, two), label in zip(x.tolist(), labels, strict=True)]
    path.write_text("\n".join([f"{names},class", *lines]) + "\n")
    return path


def trained(n: int = 300, seed: int = 0, noise: float = 1.0) -> Any:
    """A pipeline that was trained on the rows of ``csv`` with this seed."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*rows(n, seed, noise))


def model_of(settings: Settings, report: FitReport) -> ModelFile:
    return MiniFlow(settings.miniflow_path, settings.pipeline).model(report.run_id)


def test_the_first_import_goes_into_production_and_predicts_as_before(tmp_path: Path, alone: Settings) -> None:
    fitted = trained()
    report = import_model(export(fitted, tmp_path), csv(tmp_path / "rows.csv"), "class", None, alone)
    assert report.promoted, report.verdict
    x, _ = rows(200, seed=9)
    file = model_of(alone, report)
    expected = fitted.predict_proba(x)[:, 1]
    np.testing.assert_allclose(file.model.score(x).probability, expected, rtol=0, atol=1e-12)
    run = MiniFlow(alone.miniflow_path, alone.pipeline).run(report.run_id)
    assert run.meta.reason == "import"
    assert run.params["solver"] == "scikit-learn"
    assert run.params["solver_c"] == 1.0
    assert (run.params["imported"], run.params["label"]) == ("model.json", "class")
    assert run.meta.data is not None
    assert run.meta.data.rows == 240


def test_profile_and_references_are_of_the_rows_given(tmp_path: Path, alone: Settings) -> None:
    # trained on other rows than those that it will meet
    data, judges = csv(tmp_path / "rows.csv", seed=5), csv(tmp_path / "others.csv", seed=6)
    report = import_model(export(trained(), tmp_path), data, "class", None, alone, holdout=judges)
    x, _ = rows(300, seed=5)
    file = model_of(alone, report)
    np.testing.assert_allclose(file.profile.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(file.profile.standard_deviation, x.std(axis=0), rtol=1e-12)
    assert (file.profile.rows, file.drift.rows, file.concept.rows) == (300, 300, 300)
    assert (report.train.rows, report.validation.rows) == (300, 300)


def test_an_import_says_when_its_figures_may_flatter(tmp_path: Path, alone: Settings) -> None:
    file, data = export(trained(), tmp_path), csv(tmp_path / "rows.csv")
    for options, flattered in (({}, True), ({"unseen": True}, False), ({"holdout": data}, False)):
        settings = msgspec.structs.replace(alone, pipeline=f"p{len(options)}{flattered}{'holdout' in options}")
        report = import_model(file, data, "class", None, settings, **options)
        assert any("give others by --holdout" in warning for warning in report.warnings) is flattered


def test_over_production_it_is_judged_by_rows_it_has_not_seen_or_not_at_all(
    tmp_path: Path, alone: Settings
) -> None:
    data = csv(tmp_path / "rows.csv")
    fit_table(data, "class", None, alone)
    file = export(trained(), tmp_path)
    with pytest.raises(DataError, match=r"cannot show.*--holdout.*--unseen"):
        import_model(file, data, "class", None, alone)
    assert len(list_runs(alone).runs) == 1
    report = import_model(file, data, "class", None, alone, holdout=csv(tmp_path / "new.csv", seed=3))
    assert report.judged is not None
    assert report.judged.candidate.rows == 300


def test_one_that_is_better_replaces_production_and_one_that_is_worse_does_not(
    tmp_path: Path, alone: Settings
) -> None:
    fit_table(csv(tmp_path / "few.csv", n=20, seed=1), "class", None, alone)
    data, judges = csv(tmp_path / "rows.csv", n=600), csv(tmp_path / "new.csv", n=1500, seed=3)
    better = import_model(export(trained(600), tmp_path), data, "class", None, alone, holdout=judges)
    assert better.promoted, better.verdict
    noise = trained(60, seed=8, noise=20.0)
    worse = import_model(export(noise, tmp_path), data, "class", None, alone, holdout=judges)
    assert not worse.promoted
    assert "not better" in worse.verdict
    assert worse.against == better.run_id


def test_unseen_rows_of_the_data_may_judge(tmp_path: Path, alone: Settings) -> None:
    fit_table(csv(tmp_path / "few.csv", n=20, seed=1), "class", None, alone)
    new = csv(tmp_path / "new.csv", n=3000, seed=3)
    report = import_model(export(trained(600), tmp_path), new, "class", None, alone, unseen=True)
    assert report.promoted, report.verdict
    assert report.validation.rows == 600


def test_it_is_calibrated_only_where_that_is_asked_for(tmp_path: Path, alone: Settings) -> None:
    fit_table(csv(tmp_path / "first.csv", seed=4), "class", None, alone)  # asks for auto
    file, data, judges = export(trained(), tmp_path), csv(tmp_path / "rows.csv"), csv(tmp_path / "new.csv", seed=3)
    plain = import_model(file, data, "class", None, alone, holdout=judges)
    assert (plain.calibration.asked, model_of(alone, plain).model.calibration) == ("none", None)
    asked = msgspec.structs.replace(alone, calibrate="platt", cost_fn=10.0, cost_fp=1.0)
    found = import_model(file, data, "class", None, asked, holdout=judges)
    assert found.calibration.chosen == "platt"
    assert found.operating_point.threshold < 0.5
    assert any("--unseen" in warning for warning in found.warnings)


def test_features_and_classes_of_production_are_kept_unless_asked(tmp_path: Path, alone: Settings) -> None:
    fit_table(csv(tmp_path / "first.csv"), "class", "no", alone)  # class 1 is "no" here
    file, data, judges = export(trained(), tmp_path), csv(tmp_path / "rows.csv"), csv(tmp_path / "new.csv", seed=3)
    with pytest.raises(
        SchemaError, match=r"'yes' is class 1 of .*'no' of production; say --positive no .*--new-schema"
    ):
        import_model(file, data, "class", None, alone, holdout=judges)
    turned = import_model(file, data, "class", "no", alone, holdout=judges)
    assert turned.judged is not None
    x, _ = rows(50, seed=9)
    expected = trained().predict_proba(x)[:, 0]
    np.testing.assert_allclose(model_of(alone, turned).model.score(x).probability, expected, rtol=0, atol=1e-12)
    other = csv(tmp_path / "other.csv", names="a,c")
    with pytest.raises(SchemaError, match=r"without b and with c.*--new-schema"):
        import_model(file, other, "class", "no", alone, unseen=True)
    assert import_model(file, other, "class", "no", alone, new_schema=True).promoted


def test_files_that_do_not_fit_each_other_are_one_sentence(tmp_path: Path, alone: Settings) -> None:
    file, data = export(trained(), tmp_path), csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"other\.csv has other columns than .*rows\.csv"):
        import_model(file, data, "class", None, alone, holdout=csv(tmp_path / "other.csv", names="b,a"))
    with pytest.raises(DataError, match="no column 'klasse'"):
        import_model(file, data, "klasse", None, alone)
    with pytest.raises(DataError, match="no file"):
        import_model(tmp_path / "missing.json", data, "class", None, alone)
    assert list_runs(alone).runs == []


def test_a_model_that_overflows_on_the_rows_is_one_sentence(tmp_path: Path, alone: Settings) -> None:
    data = csv(tmp_path / "rows.csv")
    for step, change in ((0, {"scale_": [1e-320, 1.0]}), (1, {"coef_": [[1.7e308, 1.0]]})):
        file = export(trained(), tmp_path)
        document = json.loads(file.read_text())
        document["steps"][step] |= change
        file.write_text(json.dumps(document))
        with pytest.raises(DataError, match="gives some of the rows a logit that is not finite; check"):
            import_model(file, data, "class", None, alone)
    assert list_runs(alone).runs == []


def test_values_too_large_to_standardise_are_one_sentence(tmp_path: Path, alone: Settings) -> None:
    data = csv(tmp_path / "rows.csv")
    lines = data.read_text().splitlines()
    lines[7] = "1e300,1,yes"
    data.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="rescale it"):
        import_model(export(trained(), tmp_path), data, "class", None, alone)


def test_equal_files_give_equal_models(tmp_path: Path, alone: Settings) -> None:
    file, data, judges = export(trained(), tmp_path), csv(tmp_path / "rows.csv"), csv(tmp_path / "new.csv", seed=3)
    first, second = (import_model(file, data, "class", None, alone, holdout=judges) for _ in range(2))
    assert model_of(alone, first).sha256 == model_of(alone, second).sha256
    assert not second.promoted


def test_an_imported_model_is_retrained_as_any_other(tmp_path: Path, alone: Settings) -> None:
    report = import_model(export(trained(), tmp_path), csv(tmp_path / "rows.csv"), "class", None, alone)
    x, labels = rows(600, seed=7)
    y = (labels == "yes").astype(np.uint8)
    moved = x + np.array([3.0, 0.0])  # the world drifts: what was "no" now looks like "yes"
    positions = np.zeros((600, 4), dtype=np.int64)
    positions[:, 0] = np.arange(600)
    ids = [b"%d" % row for row in range(600)]
    labelled = LabelledRows(moved, y, ids, positions, rows_before(moved, np.arange(600)), 600)
    found = retrain(
        RetrainEvent(reason="drift"),
        labelled,
        model_of(alone, report),
        None,
        min_labelled_rows=100,
        seed=0,
        solver=Newton(),
    )
    assert found.result == "candidate", found.verdict
    assert found.judged is not None
    assert found.judged.candidate.log_loss < found.judged.production.log_loss
