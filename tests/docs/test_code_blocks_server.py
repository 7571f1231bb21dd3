"""Pages about a running pipeline, followed from top to bottom on a server of the page's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.connection import Connection
from core.entry import field_map
from tests.docs.code_blocks import CHECKOUT, blocks_of
from tests.docs.page_runner import PageRunner
from tests.servers import running_server, server_program, wait_until

DOCS = CHECKOUT / "docs"
#: What the page on producing takes for granted: rows of seven features, and their ids.
ROWS = """
import numpy as np
x, ids = np.ones((5, 7)), [f"row-{number}" for number in range(5)]
"""


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without an append-only file, as the page on repair finds it."""
    with running_server(server_program("valkey"), tmp_path_factory.mktemp("server")) as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def fitted(server_url: str, raisin_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs, the first of them in production on the server, the second refused."""
    folder = tmp_path_factory.mktemp("fitted")
    shutil.copy(raisin_csv, folder / "raisin.csv")
    with PageRunner(folder, environment={"STREAMGAUGE_REDIS_URL": server_url}) as reader:
        for seed in (0, 3):
            reader.run(f"streamgauge fit raisin.csv --label Class --positive Besni --seed {seed}")
    return folder


@pytest.fixture
def reader(fitted: Path, server_url: str) -> Iterator[PageRunner]:
    """A reader in that folder, whose commands find the server."""
    with PageRunner(
        fitted, environment={"STREAMGAUGE_REDIS_URL": server_url}, server_url=server_url, given=ROWS
    ) as reader:
        yield reader


def run_id(reader: PageRunner, outcome: str) -> str:
    """The newest run with this outcome."""
    listed = json.loads(reader.run("streamgauge runs --json"))
    return str(next(one["run_id"] for one in listed if one["outcome"] == outcome))


def test_a_pipeline_is_repaired(reader: PageRunner) -> None:
    # no monitor, so no group of it; the page's two kinds of records that a scorer rejects
    reader.run("python -m scorer")
    names = "Area,MajorAxisLength,MinorAxisLength,Eccentricity,ConvexArea,Extent,Perimeter"
    for header, area in ((names, '"87,524"'), (names.replace("Area", "area", 1), "87524")):
        rows = f"{header}\n{area},442,253,.8,90546,.7,1184\n"
        (reader.folder / "bad.csv").write_text(rows, encoding="utf-8")
        reader.run("streamgauge produce bad.csv")
    assert_logged_as_shown(reader)
    assert reader.run_page(DOCS / "repair.md")
    reader.run("streamgauge predictions --count 2")
    assert len(reader.said.splitlines()) == 2


def assert_logged_as_shown(reader: PageRunner) -> None:
    """The scorer's line about a rejection has the keys of the one that the page shows."""
    (block,) = [one for one in blocks_of(DOCS / "operations" / "observability.md") if one.language == "json"]
    shown = json.loads(block.text)
    (scorer,) = reader.services
    wait_until(lambda: any('"rejected"' in line for line in list(scorer.lines)), "a line about a rejection")
    logged = json.loads(next(line for line in list(scorer.lines) if '"rejected"' in line))
    assert sorted(logged) == sorted(shown)
    assert {name: logged[name] for name in ("event", "level", "service", "stream")} == {
        name: shown[name] for name in ("event", "level", "service", "stream")
    }


def test_records_are_pushed_from_python(reader: PageRunner, server_url: str) -> None:
    before = records_added(server_url)
    assert reader.run_page(DOCS / "producing.md")
    assert records_added(server_url) == before + 2  # a record, and a block of rows


def test_a_record_is_pushed_by_any_client(reader: PageRunner, server_url: str) -> None:
    before = records_added(server_url)
    assert reader.run_page(DOCS / "wire-format.md")
    assert records_added(server_url) == before + 1


def records_added(server_url: str) -> int:
    """How many entries have ever come in."""
    with Connection(server_url) as connection:
        said = field_map(connection.call("XINFO", "STREAM", "sg:{default:0}:records"))
    return int(said[b"entries-added"])


def test_an_alert_asks_for_a_retraining(reader: PageRunner) -> None:
    # the page's date lies before the model was promoted, and would ask for nothing
    reader.replace["2026-01-31T12:00:00Z"] = datetime.now(UTC).isoformat()
    commands, *others = blocks_of(DOCS / "operations" / "alerting.md")
    assert reader.run_block(commands)
    assert {block.language for block in others} == {"yaml"}
    assert list(json.loads(reader.said)["alerts"]) == ["written"]


def test_a_candidate_is_tried_in_the_shadow(reader: PageRunner) -> None:
    reader.replace["3f0c"] = run_id(reader, "refused")[:4]
    for service in ("scorer", "monitor", "trainer"):
        reader.run(f"python -m {service}")
    (block,) = blocks_of(DOCS / "shadow.md")
    beginning, end, ending = block.text.partition("$ streamgauge shadow 3f0c --end")
    assert end
    reader.run_block(replace(block, text=beginning.rstrip()))
    reader.press_ctrl_c()
    reader.run_block(replace(block, text=end + ending))
    assert "is gone" in reader.said
