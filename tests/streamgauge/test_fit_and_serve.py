"""The small system: fit, then serve over HTTP, with no Redis at all."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from pytest import approx  # noqa: PT013  (reads as the claim it makes)

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_two_commands_train_and_serve(run: Run, raisin_csv: Path, tmp_path: Path) -> None:
    fitted = run("fit", raisin_csv, "--label", "Class", "--positive", "Besni", "--json")
    assert fitted.returncode == 0, fitted.stderr
    report = json.loads(fitted.stdout)
    assert report["promoted"]
    assert report["validation"]["accuracy"] > 0.8
    record = {
        "Area": 87524,
        "MajorAxisLength": 442.24,
        "MinorAxisLength": 253.29,
        "Eccentricity": 0.8197,
        "ConvexArea": 90546,
        "Extent": 0.7587,
        "Perimeter": 1184.04,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "scorer", "--http-port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as scorer:
        assert scorer.stdout is not None
        try:
            said = [json.loads(scorer.stdout.readline()) for _ in range(2)]
            assert [line["event"] for line in said] == ["listening", "ready"]
            request = urllib.request.Request(said[1]["http"] + "/predict", json.dumps(record).encode())  # noqa: S310
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own scorer on loopback)
                prediction = json.loads(answer.read())
        finally:
            scorer.terminate()
        assert scorer.wait(20) == 0
    assert list(prediction) == ["pred", "p_class1", "logit", "bias", "feature_contrib_logit", "model"]
    assert prediction["model"] == report["run_id"]
    assert list(prediction["feature_contrib_logit"]) == list(record)
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
    second = run("fit", "noise.csv", "--label", "Class", "--positive", "Besni", "--json")
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
