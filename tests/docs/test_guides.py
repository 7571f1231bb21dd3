"""The guides: each snippet is taken from its page and run, on a pipeline as the pages assume it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from tests.docs.code_blocks import CHECKOUT, blocks_of
from tests.docs.guide_reader import RUNTIMES, GuideReader
from tests.docs.page_runner import PageRunner

GUIDES = CHECKOUT / "docs" / "guides"
KEYS = PipelineKeys("default")
#: What the guides say to who has no raisin.csv.
ROWS = "python -m streamgauge.demo.row_file raisin.csv"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuideReader]:
    """Somebody with rows like Raisin's, a model of them, and a pipeline that runs."""
    with GuideReader(tmp_path_factory.mktemp("guides")) as reader:
        reader.run(ROWS)
        reader.run("streamgauge fit raisin.csv --label Class --positive Besni")
        reader.run("streamgauge up")
        yield reader


@pytest.fixture
def connection(reader: GuideReader) -> Iterator[Connection]:
    """A connection to that pipeline's server."""
    with Connection(f"redis://{reader.addresses['server']}/0") as connection:
        yield connection


def answered(connection: Connection, ids: set[str]) -> set[str]:
    """Which of these records have a prediction, waiting for all of them as long as is decent."""
    found: set[str] = set()
    after = "0"
    while not ids <= found:
        reply = connection.call("XREAD", "BLOCK", 20_000, "STREAMS", KEYS.partition(0).predictions, after)
        if not reply:
            break
        for entry in entries_of(next(iter(dict(reply).values()))):
            after = entry.id.decode()
            fields = dict(zip(entry.fields[::2], entry.fields[1::2], strict=True))
            found |= set((fields.get(b"id") or fields.get(b"_ids", b"")).decode().split("\n"))
    return ids & found


def assert_answered(connection: Connection, ways: dict[str, int]) -> None:
    """So many records of each way to push have a prediction, and none is rejected."""
    ids = {f"{way}-{number}" for way, count in ways.items() for number in range(1, count + 1)}
    assert answered(connection, ids) == ids
    assert connection.call("XLEN", KEYS.partition(0).rejected) == 0


def labels_of(connection: Connection) -> list[Entry]:
    """What stands in the labels stream."""
    return entries_of(connection.call("XRANGE", KEYS.labels, "-", "+"))


def test_every_way_to_push_is_answered(reader: GuideReader, connection: Connection) -> None:
    reader.run_page(GUIDES / "push.md")
    assert_answered(connection, {"shell": 1, "python": 4, "bare": 3})


@pytest.mark.parametrize(("language", "way"), [("js", "node"), ("go", "go")])
def test_a_program_of_another_language_is_answered(
    reader: GuideReader, connection: Connection, language: str, way: str
) -> None:
    address, *blocks = blocks_of(GUIDES / "push.md")
    reader.run_block(address)
    (program,) = [block for block in blocks if block.language == language]
    reader.run_program(program)
    assert_answered(connection, {way: 3})


def test_no_program_of_another_language_is_forgotten() -> None:
    others = [block for page in GUIDES.glob("*.md") for block in blocks_of(page) if block.language in RUNTIMES]
    assert [(block.page, block.language) for block in others] == [
        ("docs/guides/push.md", "js"),
        ("docs/guides/push.md", "go"),
    ]


def test_predictions_and_rejections_are_read(reader: GuideReader, connection: Connection) -> None:
    reader.run("streamgauge produce raisin.csv --label Class --block 100")
    connection.call("XADD", KEYS.partition(0).records, "*", "Area", "much")
    ran = reader.run_page(GUIDES / "consume.md")
    assert len(ran) == len(blocks_of(GUIDES / "consume.md"))


def test_labels_are_sent(reader: GuideReader, connection: Connection) -> None:
    reader.run_page(GUIDES / "labels.md")
    fields = b"\n".join(field for entry in labels_of(connection) for field in entry.fields)
    assert {b"raisin-0000%d" % number for number in (17, 18, 19, 20)} <= set(fields.split(b"\n"))


def test_scorers_are_added(reader: GuideReader, connection: Connection) -> None:
    reader.run_page(GUIDES / "scale-out.md")
    assert len(connection.call("XINFO", "CONSUMERS", KEYS.partition(0).records, "scorers")) == 2


def test_a_model_of_scikit_learn_is_brought(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as reader:
        reader.run(ROWS)
        reader.run_page(GUIDES / "scikit-learn.md")
        (run,) = json.loads(reader.run("streamgauge runs --json"))
    assert (run["role"], run["reason"]) == ("production", "import")


def test_what_a_budget_costs_is_told(tmp_path: Path) -> None:
    with PageRunner(tmp_path) as reader:
        reader.run(ROWS)
        reader.run_page(GUIDES / "budget.md")
        assert "records until a shift is found" in reader.said
