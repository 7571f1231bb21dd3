"""The small system: fit, then serve over HTTP, with no Redis at all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest import approx  # noqa: PT013  (reads as the claim it makes)

from tests.streamgauge.one_scorer import scorer_answer

Run = Callable[..., subprocess.CompletedProcess[str]]


def readme_example() -> tuple[dict[str, float], dict[str, Any]]:
    """What the README sends with curl, and what it shows as the answer."""
    lines = (Path(__file__).resolve().parents[2] / "README.md").read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("$ curl"))
    return json.loads(lines[number].split("'")[1]), json.loads(lines[number + 1])


def test_two_commands_train_and_serve(run: Run, raisin_csv: Path, tmp_path: Path) -> None:
    fitted = run("fit", raisin_csv, "--label", "Class", "--positive", "Besni", "--json")
    assert fitted.returncode == 0, fitted.stderr
    report = json.loads(fitted.stdout)
    assert report["promoted"]
    assert report["validation"]["accuracy"] > 0.8
    record, shown = readme_example()
    prediction = scorer_answer(tmp_path, record)
    assert list(prediction) == ["pred", "p_class1", "logit", "bias", "feature_contrib_logit", "model"]
    assert prediction["model"] == report["run_id"]
    assert list(prediction["feature_contrib_logit"]) == list(record)
    assert list(prediction) == list(shown)
    for name in ("pred", "p_class1", "logit", "bias", "feature_contrib_logit"):
        assert prediction[name] == approx(shown[name], rel=1e-9), name
    total = prediction["bias"] + sum(prediction["feature_contrib_logit"].values())
    assert prediction["logit"] == approx(total, rel=1e-12)


def test_a_worse_model_is_logged_and_not_promoted(run: Run, raisin_csv: Path, tmp_path: Path) -> None:
    first = json.loads(run("fit", raisin_csv, "--label", "Class", "--positive", "Besni", "--json").stdout)
    lines = raisin_csv.read_text().splitlines()
    flipped = [
        line.replace("Kecimen", "x").replace("Besni", "Kecimen").replace("x", "Besni") if number % 2 else line
        for number, line in enumerate(lines)
        if number
    ]
    (tmp_path / "noise.csv").write_text("\n".join([lines[0], *flipped]) + "\n")
    second = run("fit", "noise.csv", "--label", "Class", "--positive", "Besni", "--unordered", "--json")
    assert second.returncode == 0, second.stderr
    report = json.loads(second.stdout)
    assert not report["promoted"]
    listed = {entry["run_id"]: entry for entry in json.loads(run("runs", "--json").stdout)}
    assert listed[first["run_id"]]["role"] == "production"
    assert listed[report["run_id"]]["outcome"] == "refused"


def test_promote_and_rollback_move_production(run: Run, small_csv: Path) -> None:
    first = json.loads(run("fit", small_csv, "--label", "good", "--json").stdout)["run_id"]
    second = json.loads(run("fit", small_csv, "--label", "good", "--seed", "3", "--json").stdout)["run_id"]
    assert run("promote", second).returncode == 0
    assert second in run("promote", second).stdout
    rolled_back = run("rollback")
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert first in rolled_back.stdout
