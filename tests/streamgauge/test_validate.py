"""``streamgauge validate``, and ``fit --split time``: what they show, and what they say of bad input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ordered_csv(tmp_path: Path) -> Path:
    """200 rows in the order of time."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 2))
    labels = np.where(x[:, 0] + generator.normal(size=200) > 0, "yes", "no")
    path = tmp_path / "ordered.csv"
    lines = [f"{one!r},{two!r},{label}" for (one, two), label in zip(x.tolist(), labels, strict=True)]
    path.write_text("\n".join(["size,weight,good", *lines]) + "\n")
    return path


def test_every_row_is_judged_and_nothing_is_logged(run: Run, ordered_csv: Path, tmp_path: Path) -> None:
    answer = run("validate", ordered_csv, "--label", "good", "--folds", "4", "--repeats", "2", "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["rows"], report["judged_rows"], report["folds"], report["repeats"]) == (200, 200, 4, 2)
    assert report["inverse_l2"] == {"1": 8}
    assert sum(report["calibration"].values()) == 8
    accuracy = report["figures"]["accuracy"]
    assert accuracy["least"] <= accuracy["mean"] <= accuracy["most"]
    assert accuracy["mean"] > 0.6
    assert 0.0 < report["calibration_error_floor"] < 0.2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ordered.csv"]


def test_people_get_a_table_with_the_floor_beside_the_calibration_error(run: Run, ordered_csv: Path) -> None:
    answer = run("validate", ordered_csv, "--label", "good", "--choose-penalty", "--calibrate", "platt")
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert "200 of 200 rows judged in 10 folds, stratified" in answer.stdout
    assert "a perfect model's is" in answer.stdout
    assert "calibration: platt in 10 of 10 folds" in answer.stdout
    assert any(line.startswith("accuracy ") for line in answer.stdout.splitlines())


def test_copies_of_rows_are_said(run: Run, ordered_csv: Path) -> None:
    lines = ordered_csv.read_text().splitlines()
    ordered_csv.write_text("\n".join([*lines, *lines[1:21]]) + "\n")
    answer = run("validate", ordered_csv, "--label", "good")
    assert "warning: 20 of 220 rows are copies of others" in answer.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--split", "luck"), "choose stratified or time"),
        (("--solver", "magic"), "solver is 'magic'"),
        (("--choose-penalty", "--inverse-l2", "3"), "leave out --inverse-l2 or --choose-penalty"),
    ],
)
def test_what_cannot_be_validated_is_one_sentence(
    run: Run, ordered_csv: Path, options: tuple[str, ...], said: str
) -> None:
    answer = run("validate", ordered_csv, "--label", "good", *options)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_fit_in_time_holds_the_newest_rows_out(run: Run, ordered_csv: Path, tmp_path: Path) -> None:
    answer = run("fit", ordered_csv, "--label", "good", "--split", "time", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["validation"]["rows"] == 40
    (predictions,) = tmp_path.rglob("predictions.csv")
    numbers = [int(line.split(",")[0]) for line in predictions.read_text().splitlines()[1:]]
    assert numbers == list(range(160, 200))


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--unordered",), "leave out --unordered or --split time"), ((), "all 40 newest rows are of class 'yes'")],
)
def test_a_fit_in_time_needs_rows_in_time(
    run: Run, ordered_csv: Path, options: tuple[str, ...], said: str
) -> None:
    lines = ordered_csv.read_text().splitlines()
    ordered_csv.write_text("\n".join([lines[0], *sorted(lines[1:], key=lambda line: line[-3:])]) + "\n")
    answer = run("fit", ordered_csv, "--label", "good", "--split", "time", *options)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_penalty_and_class_weight_that_were_validated_can_be_given_to_fit(
    run: Run, ordered_csv: Path, tmp_path: Path
) -> None:
    asked = (ordered_csv, "--label", "good", "--inverse-l2", ".01", "--class-weight", "balanced", "--json")
    answer = run("validate", *asked)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["inverse_l2"] == {"0.01": 10}
    for blocks in ((), ("--blocks",)):
        answer = run("fit", *asked, *blocks)
        assert answer.returncode == 0, answer.stderr
        (params,) = tmp_path.rglob(f"{json.loads(answer.stdout)['run_id']}/params.json")
        found = json.loads(params.read_text())
        assert found["solver_c"] == 0.01
        assert "balanced" in found["solver"] or found["solver_class_weight"] == "balanced"
    refused = run("fit", *asked[:3], "--class-weight", "even")
    assert refused.returncode != 0
    assert "class_weight is 'even'; choose none or balanced" in refused.stderr
