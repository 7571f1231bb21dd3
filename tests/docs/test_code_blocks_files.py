"""Pages about files, runs and folders, followed from top to bottom: none of their commands needs a server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.docs.code_blocks import CHECKOUT, blocks_of
from tests.docs.page_runner import PageRunner

DOCS = CHECKOUT / "docs"
OPERATIONS = DOCS / "operations"
#: A fitted scikit-learn model of Raisin, as somebody has it who wants to import one.
FITTED_ELSEWHERE = """
import csv
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
table = list(csv.DictReader(open("rows.csv")))
inputs = [[float(row[name]) for name in row if name != "Class"] for row in table]
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs, [row["Class"] for row in table])
"""
#: The rows of a run, as the page on runs names them.
ROWS = """
import numpy as np
features, classes = ["size", "weight"], ["no", "yes"]
x, y = np.ones((3, 2)), np.array([0, 1, 1])
"""


@pytest.fixture(scope="module")
def two_runs(raisin_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Raisin file, a run in production, and one that was there before it was rolled back."""
    folder = tmp_path_factory.mktemp("two_runs")
    shutil.copy(raisin_csv, folder / "raisin.csv")
    with PageRunner(folder) as reader:
        reader.run("streamgauge fit raisin.csv --label Class --positive Besni")
        reader.run("streamgauge threshold --set --threshold .3")
        reader.run("streamgauge rollback")
    return folder


@pytest.fixture
def folder(two_runs: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(two_runs, tmp_path / "here", symlinks=True)
    return tmp_path / "here"


def run_ids(folder: Path) -> list[str]:
    """The logged runs, the one in production first."""
    with PageRunner(folder) as reader:
        listed = json.loads(reader.run("streamgauge runs --json"))
    return [one["run_id"] for one in sorted(listed, key=lambda one: str(one["role"] != "production"))]


def test_calibration_shows_the_figures_of_raisin(folder: Path) -> None:
    with PageRunner(folder) as reader:
        assert reader.run_page(DOCS / "calibration.md", figures=True)


def test_validation_shows_the_figures_of_raisin(folder: Path) -> None:
    with PageRunner(folder) as reader:
        assert reader.run_page(DOCS / "validation.md", figures=True)


def test_judging_a_file_shows_the_verdicts_on_raisin(folder: Path) -> None:
    with PageRunner(folder, replace={"0123456789ab": run_ids(folder)[0]}, once="streamgauge drift.*") as reader:
        commands, making, verdicts, expectation = blocks_of(DOCS / "offline.md")
        # the page shows first what it makes later
        for block in (making, commands, expectation):
            assert reader.run_block(block)
        assert reader.run_block(verdicts, figures=True)


def test_a_model_of_scikit_learn_is_imported(raisin_csv: Path, tmp_path: Path) -> None:
    shutil.copy(raisin_csv, tmp_path / "rows.csv")
    with PageRunner(tmp_path, given=FITTED_ELSEWHERE) as reader:
        ran = reader.run_page(DOCS / "importing.md")
        assert "promoted" in reader.said
    assert [block.language for block in ran] == ["python", "console"]


def test_the_hand_written_model_of_the_page_on_importing_is_one(tmp_path: Path) -> None:
    (model,) = [block for block in blocks_of(DOCS / "importing.md") if block.language == "json"]
    (tmp_path / "model.json").write_text(model.text, encoding="utf-8")
    with PageRunner(tmp_path) as reader:
        rows = [f"{1 + 0.1 * (n % 9)},{10 + 3 * (n % 7)},{'yes' if n % 9 > n % 7 else 'no'}" for n in range(60)]
        (tmp_path / "rows.csv").write_text("\n".join(["size,weight,label", *rows, ""]), encoding="utf-8")
        assert "promoted" in reader.run("streamgauge import model.json --data rows.csv --label label")


def test_runs_are_listed_compared_digested_and_exported(folder: Path) -> None:
    first, second = run_ids(folder)
    with PageRunner(folder, replace={"457235": first[:6], "443d": second[:4]}, given=ROWS) as reader:
        ran = reader.run_page(DOCS / "runs.md")
    assert [block.language for block in ran] == ["python", "console", "console"]
    assert any((folder / "mlruns").iterdir())


def test_a_report_is_written_of_production_and_of_a_run(folder: Path) -> None:
    production, other = run_ids(folder)
    with PageRunner(folder, replace={"5fbe9b8a9d95": other}) as reader:
        assert reader.run_page(DOCS / "report.md")
    assert {path.name for path in folder.glob("*.html")} == {f"report-{production}.html", "page.html"}


def test_secrets_are_made_as_the_page_on_security_says(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as reader:
        assert reader.run_page(DOCS / "security.md")
    assert "redis.example" in (tmp_path / "secrets" / "scorer-url").read_text()


def test_one_container_takes_the_folder_that_the_page_makes(raisin_csv: Path, tmp_path: Path) -> None:
    shutil.copy(raisin_csv, tmp_path / "raisin.csv")
    with PageRunner(tmp_path) as reader:
        assert reader.run_page(OPERATIONS / "containers.md")
    assert (tmp_path / "miniflow").is_dir()


def test_dashboards_take_another_datasource(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "observability", tmp_path / "observability")
    with PageRunner(tmp_path) as reader:
        assert reader.run_page(OPERATIONS / "dashboards.md")
    boards = list((tmp_path / "observability" / "grafana" / "dashboards").glob("*.json"))
    assert boards
    for board in boards:
        text = board.read_text(encoding="utf-8")
        assert "UID-OF-YOURS" in text
        assert "streamgauge-prometheus" not in text


def test_monitoring_without_containers_is_set_up(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "observability", tmp_path / "observability")
    with PageRunner(tmp_path) as reader:
        assert reader.run_page(OPERATIONS / "install.md")
        assert set(reader.addresses) == {"server", "scorer", "monitor", "trainer"}
    made = sorted(path.name for path in (tmp_path / "watch").iterdir())
    assert made == ["alertmanager.yml", "alerts-token", "prometheus.yml", "rules"]
    shipped = (CHECKOUT / "observability" / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    ours = (tmp_path / "watch" / "alertmanager.yml").read_text(encoding="utf-8")
    assert "//127.0.0.1:8001/alerts" in ours
    assert "/run/secrets/" in shipped
    assert "/run/secrets/" not in ours


def test_secrets_of_a_cluster_are_made_with_its_host_and_for_tls(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as reader:
        for block in blocks_of(OPERATIONS / "kubernetes.md"):
            if "--host redis.example" in block.text:
                # another cluster than that of the section before
                shutil.rmtree(tmp_path / "secrets", ignore_errors=True)
            reader.run_block(block)
    url = (tmp_path / "secrets" / "scorer-url").read_text(encoding="utf-8")
    assert url.startswith("rediss://scorer:")
    assert "redis.example:6379" in url
