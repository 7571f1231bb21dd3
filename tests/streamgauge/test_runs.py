"""``streamgauge runs``, ``compare`` and ``export-mlflow`` as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.__main__ import main

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """As the fixture of conftest.py, within this process: a new one for each of these commands takes a second."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("STREAMGAUGE_"):
            monkeypatch.delenv(name)
    handler = signal.getsignal(signal.SIGTERM)

    def run_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        words = ["streamgauge", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(ended.value.code or 0), said.out, said.err)

    yield run_command
    signal.signal(signal.SIGTERM, handler)


def fit(run: Run, csv: Path, *options: str) -> str:
    answer = run("fit", csv, "--label", "good", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    return str(json.loads(answer.stdout)["run_id"])


def told(run: Run, *arguments: str | Path) -> Any:
    answer = run(*arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_runs_are_sorted_filtered_and_shown(run: Run, small_csv: Path) -> None:
    first, second = fit(run, small_csv), fit(run, small_csv, "--seed", "3", "--solver", "gradient_descent")
    listed = told(run, "runs", "--sort", "validation_loss")
    losses = [each["metrics"]["validation_loss"] for each in listed]
    assert losses == sorted(losses)
    assert {each["run_id"] for each in listed} == {first, second}
    (chosen,) = told(run, "runs", "--where", "solver=newton", "--reason", "fit", "--since", "1d")
    assert chosen["run_id"] == first
    assert chosen["params"]["csv"] == small_csv.name
    assert len(chosen["data"]["csv_sha256"]) == len(chosen["environment"]["code_sha256"]) == 64
    assert told(run, "runs", "--outcome", "failed") == []
    assert told(run, "runs", "--since", "2999-01-01") == []
    table = run("runs", "--sort", "seed", "--show", "solver", "--show", "validation_auc", "--count", "1")
    assert table.returncode == 0, table.stderr
    title, line = table.stdout.splitlines()
    assert title.split() == [
        "run",
        "UTC",
        "reason",
        "outcome",
        "log-loss",
        "accuracy",
        "threshold",
        "seed",
        "solver",
        "validation_auc",
    ]
    assert line.startswith(first)
    assert " newton " in line
    assert "none of the 2 runs is so" in run("runs", "--outcome", "failed").stdout


def test_no_runs_are_said(run: Run) -> None:
    assert "no runs yet" in run("runs", "--sort", "validation_loss").stdout
    assert told(run, "runs") == []


UNUSABLE = [
    (("--sort", "los"), "no run has a metric or parameter 'los'; there are"),
    (("--show", "los"), "no run has a metric or parameter 'los'; there are"),
    (("--where", "loss"), "'loss' is no condition; write a name"),
    (("--since", "yesterday"), "--since is 'yesterday'; give a time ago such as 90m"),
    (("--since", "999999w"), "--since is '999999w'; give a time ago such as 90m"),
]


def test_what_cannot_be_listed_is_one_sentence(run: Run, small_csv: Path) -> None:
    fit(run, small_csv)
    for options, said in UNUSABLE:
        answer = run("runs", *options)
        assert answer.returncode == 2
        assert said in answer.stderr
        assert len(answer.stderr.splitlines()) == 1


def test_two_runs_are_compared_by_the_beginnings_of_their_ids(run: Run, small_csv: Path) -> None:
    first, second = fit(run, small_csv), fit(run, small_csv, "--seed", "3")
    length = next(n for n in range(1, 12) if first[:n] != second[:n])
    found = told(run, "compare", first[:length], second)
    assert (found["first"]["meta"]["run_id"], found["second"]["meta"]["run_id"]) == (first, second)
    assert found["parameters"]["seed"] == {"first": 0, "second": 3, "difference": None}
    table = run("compare", "production", second[:length])
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert lines[0].split() == [first, second, "second", "-", "first"]
    assert any(line.split() == ["seed", "0", "3"] for line in lines)
    assert not any(line.startswith("  solver ") for line in lines)
    different = "The runs held out different rows, so a difference of their figures is one of rows too."
    assert lines[-1].startswith(f"{different} When run {second} was judged beside {first}: The 8 judged rows")
    everything = run("compare", "production", second, "--all").stdout.splitlines()
    assert any(line.split() == ["solver", "newton", "newton", "="] for line in everything)
    promoted = run("promote", second[:length])
    assert f"run {second} is in production" in promoted.stdout
    assert told(run, "threshold", "--run", "previous")["run_id"] == first


def test_a_comparison_fits_a_terminal_of_80_columns(run: Run, small_csv: Path) -> None:
    first, second = fit(run, small_csv), fit(run, small_csv, "--seed", "3")
    for options in ((), ("--all",)):
        answer = run("compare", first, second, *options)
        table = answer.stdout.split("\nThe runs held out")[0].splitlines()
        assert max(len(line.rstrip()) for line in table) <= 80
    assert "more are the same in both: --all" in run("compare", first, second).stdout
    assert "--all" not in answer.stdout


def test_a_time_that_is_none_hides_no_run(run: Run, small_csv: Path) -> None:
    first, second = fit(run, small_csv), fit(run, small_csv, "--seed", "3")
    (meta,) = Path().rglob(f"{first}/meta.json")
    document = json.loads(meta.read_text())
    meta.write_text(json.dumps(document | {"started_ts_ms": 10**18}))
    listed = run("runs", "--show", "finished")
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["run", first, second]
    (finished,) = [line.split()[-2:] for line in listed.stdout.splitlines() if line.startswith(second)]
    assert [len(part) for part in finished] == [len("11-22"), len("10:47")]
    assert run("compare", first, second).returncode == 0


def test_a_run_that_is_not_there_is_one_sentence(run: Run, small_csv: Path) -> None:
    run_id = fit(run, small_csv)
    other = "f" if run_id[0] == "0" else "0"
    for arguments, said in (
        (("compare", run_id, other), f"no run id here begins with {other}"),
        (("compare", run_id, "previous"), "there is no previous run yet"),
        (("promote", "nonsense"), "not 12 hex digits"),
    ):
        answer = run(*arguments)
        assert answer.returncode != 0
        assert said in answer.stderr
        assert len(answer.stderr.splitlines()) == 1


def test_of_artifacts_that_are_gone_an_export_names_some_and_counts_the_rest(run: Run, small_csv: Path) -> None:
    for seed in ("0", "3"):
        fit(run, small_csv, "--seed", seed)
    for artifact in Path("miniflow").rglob("artifacts/**/*.*"):
        artifact.unlink()
    said = run("export-mlflow", "mlruns").stdout
    (line,) = [line for line in said.splitlines() if line.startswith("artifacts that are named and not there")]
    gone = told(run, "export-mlflow", "mlruns")["missing_artifacts"]
    assert line.count("/") >= 10
    assert line.endswith(f" and {len(gone) - 10} more")
    assert gone[9] in line
    assert gone[10] not in line


def test_runs_are_exported_for_mlflow_again_and_again(run: Run, small_csv: Path, tmp_path: Path) -> None:
    run_id = fit(run, small_csv)
    report = told(run, "export-mlflow", "mlruns", "--experiment", "small")
    assert (report["runs"], report["made"], report["experiment"]) == (1, 1, "small")
    meta = tmp_path / "mlruns" / report["experiment_id"] / run_id / "meta.yaml"
    assert f'run_id: "{run_id}"' in meta.read_text()
    again = run("export-mlflow", "mlruns", "--experiment", "small")
    assert "0 new, 0 updated, 1 as they were" in again.stdout
    assert again.stdout.splitlines()[-1].endswith("mlflow ui --backend-store-uri mlruns")
    unnamed = run("export-mlflow", "mlruns", "--experiment", "")
    assert "experiment '' must be 1 to 64 letters" in unnamed.stderr
    refused = run("export-mlflow", "miniflow")
    assert refused.returncode == 2
    assert "name one outside of it" in refused.stderr
