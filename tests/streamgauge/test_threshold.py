"""``streamgauge threshold``: the sweep of a run, the best threshold by a rule, ``--set``, and bad input."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def fit(run: Run, csv: Path, *options: str) -> dict[str, object]:
    answer = run("fit", csv, "--label", "good", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    report: dict[str, object] = json.loads(answer.stdout)
    return report


def test_production_is_swept_and_the_best_threshold_named(run: Run, small_csv: Path) -> None:
    report = fit(run, small_csv, "--calibrate", "none")
    found = json.loads(run("threshold", "--by", "f1", "--json").stdout)
    assert (found["run_id"], found["threshold"], found["calibration"]) == (report["run_id"], 0.5, None)
    shown = [row["threshold"] for row in found["thresholds"]]
    assert shown == sorted({0.2, 0.35, 0.5, 0.65, 0.8, found["best"]["threshold"]})
    # chosen on the training rows, so that the held-out ones of the table judge it
    assert (found["rows"], found["best"]["rows"], found["held_out"]) == (8, 32, False)
    table = run("threshold", "--at", ".1,.9", "--cost-fn", "120", "--cost-fp", "18")
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert lines[1].split() == [
        "from",
        "p",
        "TP",
        "FP",
        "FN",
        "TN",
        "precision",
        "recall",
        "accuracy",
        "F1",
        "MCC",
        "cost",
    ]
    assert lines[0].endswith(", cost a row")
    assert any(" now " in line for line in lines)
    assert any((" neutral" in line and line.startswith(" 0.130 ")) or line.startswith("0.130 ") for line in lines)
    places = {line.rfind(".") for line in lines[2:-1]}
    assert len(places) == 1  # costs stand in line
    assert lines[-1].endswith("Add --set to give it to the model in production.")


@pytest.mark.usefixtures("fitted_small")
def test_a_run_of_an_earlier_version_is_chosen_on_its_held_out_rows_and_says_so(run: Run, tmp_path: Path) -> None:
    (rows,) = tmp_path.rglob("out_of_sample.npz")
    rows.unlink()
    found = json.loads(run("threshold", "--by", "f1", "--json").stdout)
    assert (found["best"]["rows"], found["held_out"]) == (8, True)
    assert "Chosen on these rows, so the table flatters it" in run("threshold", "--by", "f1").stdout


def prediction(directory: Path) -> dict[str, Any]:
    """What a scorer that is started now answers for one record."""
    with subprocess.Popen(
        [sys.executable, "-m", "scorer", "--http-port", "0"],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as scorer:
        assert scorer.stdout is not None
        try:
            said = [json.loads(scorer.stdout.readline()) for _ in range(2)]
            assert [line["event"] for line in said] == ["listening", "ready"]
            body = json.dumps({"size": 3.5, "weight": 4.0}).encode()
            request = urllib.request.Request(said[1]["http"] + "/predict", body)  # noqa: S310
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own scorer on loopback)
                found: dict[str, Any] = json.loads(answer.read())
        finally:
            scorer.terminate()
        assert scorer.wait(20) == 0
    return found


def test_a_new_operating_point_reaches_the_predictions_and_rollback_takes_it_back(
    run: Run, small_csv: Path, tmp_path: Path
) -> None:
    first = fit(run, small_csv, "--calibrate", "none")
    before = prediction(tmp_path)
    p = before["p_class1"]
    other = p + 0.01 if before["pred"] else p - 0.01  # just so that the class turns
    told = run("threshold", "--set", "--threshold", str(other), "--json")
    assert told.returncode == 0, told.stderr
    change = json.loads(told.stdout)
    assert (change["of_run"], change["before"], change["production"]["previous"]) == (
        first["run_id"],
        0.5,
        first["run_id"],
    )
    after = prediction(tmp_path)
    assert after["model"] == change["production"]["run_id"] != first["run_id"]
    assert (after["p_class1"], after["pred"]) == (p, 1 - before["pred"])
    assert run("rollback").returncode == 0
    assert prediction(tmp_path) == before


@pytest.mark.usefixtures("fitted_small")
def test_the_point_that_is_set_is_the_one_that_a_fit_would_choose(run: Run, small_csv: Path) -> None:
    by_set = json.loads(run("threshold", "--set", "--cost-fn", "120", "--cost-fp", "18", "--json").stdout)
    again = json.loads(run("threshold", "--set", "--cost-fn", "120", "--cost-fp", "18", "--json").stdout)
    assert again["production"]["run_id"] == by_set["production"]["run_id"] == again["of_run"]  # nothing to change
    listed = json.loads(run("runs", "--json").stdout)
    assert [entry["reason"] for entry in listed] == ["threshold", "fit"]
    assert listed[0]["outcome"] == "promoted"
    fitted = fit(run, small_csv, "--cost-fn", "120", "--cost-fp", "18")
    assert fitted["operating_point"] == by_set["point"]


def test_a_setting_in_the_file_is_no_hindrance_to_another_choice(
    run: Run, small_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "streamgauge.toml").write_text("threshold = 0.3\n")
    assert fit(run, small_csv)["operating_point"]["threshold"] == 0.3  # type: ignore[index]  # it is an object
    answer = run("threshold", "--by", "f1", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["best"]["rule"]["by"] == "f1"
    costly = fit(run, small_csv, "--cost-fn", "2", "--cost-fp", "1")
    assert costly["operating_point"]["rule"]["by"] == "cost"  # type: ignore[index]  # the same


def test_fit_stores_the_operating_point_and_a_later_fit_keeps_the_rule(run: Run, small_csv: Path) -> None:
    first = fit(run, small_csv, "--cost-fn", "120", "--cost-fp", "18", "--calibrate", "none")
    point = first["operating_point"]
    assert isinstance(point, dict)
    assert point["rule"]["by"] == "cost"
    found = json.loads(run("threshold", "--json").stdout)
    assert found["threshold"] == point["threshold"]
    assert all(row["cost"] is not None for row in found["thresholds"])  # by the model's own rule
    second = fit(run, small_csv, "--seed", "3")
    later, calibration = second["operating_point"], second["calibration"]
    assert isinstance(later, dict)
    assert isinstance(calibration, dict)
    assert (later["rule"], calibration["asked"]) == (point["rule"], "none")


@pytest.mark.usefixtures("fitted_small")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--at", "2"), "--at holds '2'; give thresholds from 0 to 1, by comma"),
        (("--at", ".5,x"), "--at holds 'x'"),
        (("--by", "luck"), "threshold_by is 'luck'; choose"),
        (("--cost-fn", "3"), "cost_fp is not set"),
        (("--run", "0123456789ab"), "0123456789ab"),
        (("--min-precision", "0"), "min_precision is 0"),
        (("--set",), "no operating point is asked for; give --threshold"),
        (("--set", "--by", "f1", "--at", ".5"), "leave out --run and --at"),
        (("--threshold", ".3"), "--threshold alone changes nothing; add --set"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(run: Run, options: tuple[str, ...], said: str) -> None:
    answer = run("threshold", *options)
    assert answer.returncode != 0
    assert answer.stdout == ""
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_without_the_held_out_rows_it_says_where_they_should_be(
    run: Run, fitted_small: str, tmp_path: Path
) -> None:
    (holdout,) = tmp_path.rglob("holdout.npz")
    holdout.unlink()
    answer = run("threshold")
    assert answer.returncode == 2
    assert f"the held-out rows of run {fitted_small} are not in miniflow" in answer.stderr
