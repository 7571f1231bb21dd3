"""The command as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import StreamgaugeError
from streamgauge.app import app
from tests.streamgauge.drift.conftest import FEATURES, WriteRows, label_texts, normal_rows

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Answer:
    """What a command said; ``error`` is the sentence that its process would print, with status 2."""

    status: int
    out: str
    aside: str
    error: str = ""


Ask = Callable[..., Answer]


@pytest.fixture
def ask(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quick_calibration: None,  # noqa: ARG001  (for its effect)
) -> Ask:
    """Run ``streamgauge ...`` in ``tmp_path`` without a process of its own, with little simulation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamgauge.drift.expectation.TRIALS", 5)
    for name in [name for name in os.environ if name.startswith("STREAMGAUGE_")]:
        monkeypatch.delenv(name)

    def run_command(*arguments: str) -> Answer:
        result = CliRunner().invoke(app, list(arguments))
        if isinstance(result.exception, StreamgaugeError):
            return Answer(2, result.stdout, result.stderr, str(result.exception))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run_command


@pytest.fixture
def labelled(tmp_path: Path) -> str:
    """Three hundred rows with a class that they tell nothing of."""
    rows = normal_rows(300, 24).tolist()
    lines = [",".join([*map(repr, row), "yes" if number % 2 else "no"]) for number, row in enumerate(rows)]
    (tmp_path / "labelled.csv").write_text("\n".join(["a,b,c,good", *lines]) + "\n")
    return "labelled.csv"


def test_a_file_without_drift_ends_with_status_0(run: Run, production: str, write_rows: WriteRows) -> None:
    path = write_rows("calm.csv", normal_rows(1_500, 21))
    answer = run("drift", path.name)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"production, run {production}" in answer.stdout
    assert "no alarm in 1,500 records, 3 windows" in answer.stdout
    assert not answer.stderr


def test_a_drift_ends_with_status_1_and_says_where(run: Run, production: str, write_rows: WriteRows) -> None:
    path = write_rows("drift.csv", normal_rows(1_500, 22, shift=1.5, begin=800))
    answer = run("drift", path.name, "--run", production, "--budget", "10000")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "alarm at line 8" in answer.stdout
    assert "suspected from line 8" in answer.stdout
    assert "SD higher" in answer.stdout


@pytest.mark.usefixtures("production")
def test_an_error_ends_with_status_2_and_one_sentence(run: Run) -> None:
    answer = run("drift", "missing.csv")
    assert answer.returncode == 2
    assert answer.stderr == "streamgauge: there is no file missing.csv; check the path\n"
    assert not answer.stdout


def test_json_holds_every_window(ask: Ask, production: str, write_rows: WriteRows) -> None:
    path = write_rows("drift.csv", normal_rows(3_000, 23, shift=1.5, begin=2_000))
    lines = path.read_text().splitlines()
    lines[1_000] = "a row without numbers,,,"
    path.write_text("\n".join(lines) + "\n")
    answer = ask("drift", "drift.csv", "--window", "100", "--json")
    assert answer.status == 1, answer.error
    found = json.loads(answer.out)
    assert (found["reference"], found["label"]) == (production, None)
    assert found["features"] == list(FEATURES)
    assert (found["window_records"], found["slide_records"], found["false_alarm_records"]) == (100, 100, 100_000)
    assert [window["window"] for window in found["windows"]] == list(range(1, len(found["windows"]) + 1))
    assert sum(window["n"] for window in found["windows"]) == found["records"] == 2_999
    assert found["skipped"] == 1
    assert found["labels"] is None
    assert {json.dumps(window["labels"]) for window in found["windows"]} == {"null"}
    alarms = [window["alarm"] for window in found["windows"] if window["alarm"]]
    assert len(alarms) == found["alarms"] > 1
    assert 2_002 <= alarms[0]["line"] < 2_030
    assert alarms[0]["first_line"] <= alarms[0]["line"]
    assert set(alarms[0]["shift"]) == set(FEATURES)


@pytest.mark.usefixtures("production")
def test_labels_that_turn_are_an_alarm_in_json_and_table(ask: Ask, write_rows: WriteRows) -> None:
    x = normal_rows(1_200, 50)
    write_rows("turned.csv", x, label_texts(x, 51, turned=800))
    answer = ask("drift", "turned.csv", "--json")
    assert answer.status == 1, answer.error
    found = json.loads(answer.out)
    assert found["label_false_alarm_records"] == 10_000
    alarm = next(window["alarm"] for window in found["windows"] if window["alarm"])
    assert alarm["detector"] == "concept"
    assert 802 < alarm["line"] < 860
    assert sum(window["labels"]["tested"] for window in found["windows"]) == 1_200
    assert (found["labels"]["column"], found["labels"]["tested"], found["labels"]["unknown"]) == ("_y", 1_200, 0)
    assert found["labels"]["log_loss"] > 2 * found["labels"]["reference_log_loss"]
    shown = ask("drift", "turned.csv")
    assert f"alarm at line {alarm['line']}: concept" in shown.out
    assert "1,200 labels of column _y tested; log-loss" in shown.out


def test_the_column_of_the_reference_holds_the_labels_of_the_file(ask: Ask, labelled: str) -> None:
    asked = ("drift", labelled, "--reference", labelled, "--label", "good", "--unordered")
    assert "300 labels of column good tested" in ask(*asked).out
    found = json.loads(ask(*asked, "--json").out)
    assert found["labels"]["column"] == "good"
    assert (found["reference"], found["label"]) == (labelled, "good")


def test_a_labelled_file_is_a_reference(ask: Ask, labelled: str) -> None:
    answer = ask("drift", labelled, "--reference", labelled, "--label", "good", "--unordered")
    assert answer.status == 0, answer.error
    assert "240 of the 300 rows of labelled.csv" in answer.out


def test_a_reference_that_drifts_is_refused_unless_its_order_means_nothing(
    ask: Ask, write_rows: WriteRows, tmp_path: Path
) -> None:
    path = write_rows("drifting.csv", normal_rows(300, 29, shift=2.0, begin=150))
    header, *rows = path.read_text().splitlines()
    bare = [line.split(",", 1)[1] for line in (header, *rows)]
    (tmp_path / "bare.csv").write_text("\n".join(bare) + "\n")
    refused = ask("drift", "drifting.csv", "--reference", "bare.csv")
    assert refused.status == 2
    assert "--unordered" in refused.error
    assert ask("drift", "drifting.csv", "--reference", "bare.csv", "--unordered").status in {0, 1}


def test_the_expectation_of_a_labelled_reference_is_told_to_scripts(ask: Ask, labelled: str) -> None:
    answer = ask("drift", "--reference", labelled, "--label", "good", "--unordered", "--budget", "5000", "--json")
    assert answer.status == 0, answer.error
    found = json.loads(answer.out)
    assert found["false_alarm_records"] == 5_000
    assert [kind["name"] for kind in found["kinds"]] == ["these rows", "4 times the rows", "known truth"]
    assert {change["feature"] for change in found["changes"]} == {None, *FEATURES}


def test_the_expectation_is_a_table(ask: Ask, tmp_path: Path) -> None:
    rows = [f"{a!r},{b!r}" for a, b in normal_rows(100, 25)[:, :2].tolist()]
    (tmp_path / "plain.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    answer = ask("drift", "--reference", "plain.csv")
    assert answer.status == 0, answer.error
    for words in (
        "100 rows of plain.csv",
        "100,000 records",
        " x4 ",
        "known",
        "±0.5 SD of a ",
        "with 400 such rows",
        "1 of 20 references: fewer than",
    ):
        assert words in answer.out, words
    table = [line for line in answer.out.splitlines() if line.startswith((" ", "records"))]
    assert max(map(len, table)) <= 80


def test_nothing_of_an_expectation_wraps_on_80_columns(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich takes standard output for a terminal
    monkeypatch.setenv("COLUMNS", "80")
    rows = [f"{a!r},{b!r}" for a, b in normal_rows(100, 25)[:, :2].tolist()]
    name = "a_file_with_a_name_that_goes_on_for_long.csv"
    (tmp_path / name).write_text("\n".join(["the_length_of_the_major_axis_of_the_grain,b", *rows]) + "\n")
    answer = ask("drift", "--reference", name, "--budget", "10000000")
    assert answer.status == 0, answer.error
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in answer.out.splitlines()]
    assert max(map(len, plain)) <= 80
    assert any("the_length_.." in line for line in plain)


@pytest.mark.parametrize("ending", ["png", "svg"])
@pytest.mark.usefixtures("production")
def test_a_picture_is_written_beside_the_table(
    ask: Ask, write_rows: WriteRows, tmp_path: Path, ending: str
) -> None:
    if importlib.util.find_spec("matplotlib") is None and not os.environ.get("CI"):
        pytest.skip("matplotlib is missing; install the extra report")
    write_rows("drift.csv", normal_rows(900, 26, shift=1.5, begin=600))
    answer = ask("drift", "drift.csv", "--report", f"report.{ending}")
    assert answer.status == 1, answer.error
    assert f"report.{ending}" in answer.aside
    assert len((tmp_path / f"report.{ending}").read_bytes()) > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--reference",)),
        (("calm.csv", "--reference", "calm.csv", "--run", "0123456789ab"), ("--run", "exclude")),
        (("calm.csv", "--label", "good"), ("--label", "--reference")),
        (("calm.csv", "--reference", "calm.csv", "--positive", "1"), ("--positive", "--label")),
        (("--reference", "calm.csv", "--report", "a.png"), ("--report",)),
        (("calm.csv", "--report", "a.gif"), (".png",)),
        (("calm.csv", "--run", "nonsense"), ("nonsense",)),
        (("calm.csv", "--run", "0123456789ab"), ("0123456789ab",)),
        (("calm.csv", "--window", "0"), ("window_records",)),
        (("calm.csv", "--window", "20"), ("--window 20", "STREAMGAUGE_WINDOW_MIN_RECORDS=20")),
        (("calm.csv", "--budget", "10"), ("false_alarm_records",)),
        (("missing.csv",), ("missing.csv",)),
        ((".",), ("directory",)),
        (("empty.csv",), ("empty",)),
        (("header.csv",), ("header.csv", "no rows")),
        (("other.csv",), ("other.csv", "'b', 'c'")),
        (("ragged.csv",), ("ragged.csv: line 3",)),
        (("return.csv",), ("return.csv ends its lines with CR alone",)),
        (("semicolons.csv",), ("semicolons.csv separates its columns by semicolons",)),
        (("numbers.csv",), ("numbers.csv has numbers in its first line",)),
        (("calm.csv", "--reference", "return.csv"), ("return.csv ends its lines with CR alone",)),
        (("calm.csv", "--reference", "tabs.csv", "--label", "c"), ("tabs.csv separates its columns by tabs",)),
        (("calm.csv", "--reference", "numbers.csv", "--label", "1"), ("numbers.csv has numbers",)),
        (("calm.csv", "--reference", "numbers.csv"), ("numbers.csv has numbers",)),
        (("calm.csv", "--reference", "missing.csv"), ("missing.csv",)),
        (("calm.csv", "--reference", "calm.csv", "--label", "colour"), ("'colour'",)),
        (("calm.csv", "--reference", "calm.csv"), ("'row 0'", "line 2")),
    ],
)
@pytest.mark.usefixtures("production")
def test_what_is_wrong_is_one_sentence(
    ask: Ask, write_rows: WriteRows, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    write_rows("calm.csv", normal_rows(60, 27))
    for name, content in {
        "empty.csv": "",
        "header.csv": "a,b,c\n",
        "other.csv": "a,d\n1,2\n",
        "ragged.csv": "a,b,c\n1,2,3\n1,2,3,4\n",
        "return.csv": "a,b,c\r1,2,3\r",
        "semicolons.csv": "a;b;c\n1;2;3\n",
        "tabs.csv": "a\tb\tc\n1\t2\t3\n",
        "numbers.csv": "3,2,1\n6,5,4\n",
    }.items():
        (tmp_path / name).write_text(content)
    answer = ask("drift", *arguments)
    assert answer.status == 2
    assert not answer.out
    for word in words:
        assert word in answer.error


def test_without_production_the_reference_is_asked_for(ask: Ask, write_rows: WriteRows) -> None:
    write_rows("calm.csv", normal_rows(60, 28))
    answer = ask("drift", "calm.csv")
    assert answer.status == 2
    assert "--reference" in answer.error
    assert "streamgauge fit" in answer.error


def test_fit_says_what_to_expect(ask: Ask, labelled: str) -> None:
    answer = ask("fit", labelled, "--label", "good", "--unordered")
    assert answer.status == 0, answer.error
    (said,) = (line for line in answer.out.splitlines() if line.startswith("drift: "))
    assert "100,000 records" in said
    assert "0.5 SD" in said
    assert "drift: " not in ask("fit", labelled, "--label", "good", "--unordered", "--json").out
