"""The runbooks' commands of ours, run in a folder in which ``streamgauge up`` runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.connection import Connection
from tests.docs.code_blocks import CHECKOUT
from tests.docs.page_runner import PageRunner

RUNBOOKS = CHECKOUT / "docs" / "runbooks"
PAGES = [pytest.param(page, id=page.stem) for page in sorted(RUNBOOKS.glob("*.md"))]
#: Commands that change nothing: what several pages say is run for the first of them.
LOOKING = "streamgauge (status|doctor|groups|runs.*|redrive --list.*)"


@pytest.fixture(scope="module")
def reader(raisin_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRunner]:
    """Somebody on call, a pipeline with a model that can be rolled back, and a group that will not come back."""
    folder = tmp_path_factory.mktemp("on_call")
    shutil.copy(raisin_csv, folder / "rows.csv")
    (folder / "outcomes.csv").write_text("order,returned\nr-1,1\nr-2,0\n", encoding="utf-8")
    (folder / "secrets").mkdir()
    with PageRunner(folder, once=LOOKING) as reader:
        reader.run("streamgauge up")
        reader.run("streamgauge fit rows.csv --label Class")
        reader.run("streamgauge threshold --set --threshold .4")
        reader.replace["0123456789ab"] = json.loads(reader.run("streamgauge runs --json"))[-1]["run_id"]
        server = reader.addresses["server"]
        # stands for the file that secrets makes: the embedded server has no users
        (folder / "secrets" / "viewer-url").write_text(f"redis://@{server.replace('127.0.0.1', 'valkey')}/0\n")
        reader.run("streamgauge groups require audit")
        yield reader


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_runbook_run(page: Path, reader: PageRunner) -> None:
    ran = reader.run_page(page)
    assert ran or page.stem in {"no-scorer", "no-trainer"}  # those look at containers and pods alone


def test_the_pipeline_still_runs_after_all_of_them(reader: PageRunner) -> None:
    with Connection(f"redis://{reader.addresses['server']}") as connection:
        assert connection.call("PING") == b"PONG"
    assert json.loads(reader.run("streamgauge status --json"))["production"]
