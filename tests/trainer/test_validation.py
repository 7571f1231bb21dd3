from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import StreamgaugeError
from core.settings import Settings
from trainer.validation import ValidationReport, validate_table


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """200 rows in the order of time."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 2))
    labels = np.where(x[:, 0] + generator.normal(size=200) > 0, "yes", "no")
    path = tmp_path / "ordered.csv"
    lines = [f"{one!r},{two!r},{label}" for (one, two), label in zip(x.tolist(), labels, strict=True)]
    path.write_text("\n".join(["size,weight,good", *lines]) + "\n")
    return path


def validated(csv: Path, settings: Settings | None = None, **options: Any) -> ValidationReport:
    return validate_table(csv, "good", None, settings or Settings(), **{"folds": 4} | options)


def test_folds_in_time_leave_the_first_rows_to_train(csv: Path) -> None:
    report = validated(csv, order="time", gap=3)
    assert (report.order, report.rows, report.judged_rows) == ("time", 200, 160)


def test_the_settings_of_a_fit_count(csv: Path) -> None:
    settings = Settings(inverse_l2=float("inf"), min_recall=0.95, calibrate="none", class_weight="balanced")
    report = validated(csv, settings)
    assert report.inverse_l2 == {"inf": 4}
    assert report.calibration == {"none": 4}
    assert report.figures["recall"].mean > 0.85
    assert validated(csv, Settings(calibrate="platt")).calibration == {"platt": 4}


def test_the_penalty_is_chosen_in_each_fold_and_counted(csv: Path) -> None:
    report = validated(csv, choose_penalty=True, repeats=2)
    assert sum(report.inverse_l2.values()) == 8
    assert set(report.inverse_l2) != {"1"}


def test_repetitions_draw_other_folds_from_the_seed_on(csv: Path) -> None:
    one, two = (validated(csv, Settings(seed=seed)) for seed in (5, 6))
    both = validated(csv, Settings(seed=5), repeats=2)
    assert one.figures["accuracy"] != two.figures["accuracy"]
    mean = (one.figures["log_loss"].mean + two.figures["log_loss"].mean) / 2
    assert both.figures["log_loss"].mean == pytest.approx(mean)
    assert both == validated(csv, Settings(seed=5), repeats=2)


def test_a_figure_that_a_fold_does_not_define_is_left_out(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    newest = [line for line in lines[1:] if line.endswith("yes")][-40:]
    mixed = [line for line in lines[1:] if line not in newest] + newest  # the last fold is of one class
    csv.write_text("\n".join([lines[0], *mixed]) + "\n")
    report = validated(csv, order="time")
    assert "auc" not in report.figures
    assert "accuracy" in report.figures
    (warning,) = report.warnings
    assert warning.startswith("left out is what some folds do not define")
    assert "auc in 2 of 4 folds" in warning
    assert validated(csv).warnings == ()


def test_folds_in_which_the_solver_did_not_arrive_are_said(csv: Path) -> None:
    lines = csv.read_text().splitlines()  # without the noise: the classes are separable, and no optimum is finite
    told = [
        ",".join([*line.split(",")[:2], "yes" if float(line.split(",")[0]) > 0 else "no"]) for line in lines[1:]
    ]
    csv.write_text("\n".join([lines[0], *told]) + "\n")
    (warning,) = validated(csv, Settings(inverse_l2=float("inf"))).warnings
    assert "did not arrive at the optimum in 4 of 4 folds" in warning
    assert validated(csv).warnings == ()


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_a_gradient_method_that_is_near_the_optimum_has_arrived(csv: Path, class_weight: str) -> None:
    settings = Settings(solver="gradient_descent", class_weight=class_weight, calibrate="none")
    assert validated(csv, settings).warnings == ()


def test_every_fold_is_told_as_it_is_done(csv: Path) -> None:
    told: list[None] = []
    validated(csv, repeats=3, on_fold=lambda: told.append(None))
    assert len(told) == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": 1}, "at least two"),
        ({"folds": 150}, "fewer than 150 folds"),
        ({"repeats": 0}, "--repeats is 0"),
        ({"gap": 3}, "needs folds in time"),
        ({"order": "time", "gap": -1}, "--gap is -1"),
        ({"order": "time", "repeats": 2}, "always the same"),
        ({"order": "time", "folds": 199}, "too few for 199 folds"),
        ({"order": "time", "gap": 39}, "a gap of 39"),
    ],
)
def test_folds_that_cannot_be_are_one_sentence(csv: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(StreamgaugeError, match=said):
        validated(csv, **options)
