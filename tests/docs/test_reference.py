"""Pages that are made from the code are up to date, and nothing that people use is without a word about it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from core.http import _STATUS
from core.service import Service
from core.setting_checks import CHOICES
from core.settings import Settings, about
from docs.source.commands import Command, Parameter, commands
from docs.source.metrics import metrics, metrics_table
from docs.source.pages import DOCS, pages
from docs.source.places import with_parts
from docs.source.settings import GROUPS
from monitor.service import Monitor
from scorer.service import HttpScorer, StreamScorer
from scorer.shadow import ShadowScorer
from streamgauge.app import app
from tests.docs.pages import CHECKOUT, all_pages, anchors, name_of
from trainer.service import Trainer

PAGES = pages()
COMMANDS = commands(app)
METRICS = {metric.name: metric for metric in metrics()}
HTTP_PAGE = (DOCS / "reference" / "http.md").read_text(encoding="utf-8")
#: They begin like a metric and are none: a field of an exported model, the beginning of a shadow's metrics.
OTHER_NAMES = {"streamgauge_import", "streamgauge_shadow"}
COMPOSE = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
_SPACE = re.compile(r"\s")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_page_is_what_the_code_says(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == PAGES[page], "run make reference"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_two_headings_of_a_page_share_an_anchor(page: Path) -> None:
    found = anchors(page)
    assert sorted(found) == sorted(set(found))
    assert not [anchor for anchor in found if anchor.endswith("-1")]


def test_the_same_pages_are_made_in_a_narrow_terminal_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("STREAMGAUGE_PIPELINE", "other")
    assert pages() == PAGES


def test_a_page_that_lost_a_place_is_noticed() -> None:
    text = "<!-- made from the code: a -->\nold\n<!-- end of what is made -->\n"
    assert "new" in with_parts(text, {"a": "new"})
    with pytest.raises(ValueError, match="has places for"):
        with_parts(text, {"b": "new"})


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_says_what_it_does_with_an_example(command: Command) -> None:
    assert re.fullmatch(r"[A-Z].+[.]", command.paragraphs[0])
    assert command.examples
    for example in command.examples:
        assert command.name == "streamgauge" or f"{command.name} " in f"{example} ", example


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_and_argument_has_a_word(command: Command) -> None:
    assert [parameter.names for parameter in command.parameters if not _is_told(parameter)] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_status_that_a_command_ends_with_is_told(command: Command) -> None:
    ends = any(re.search(r"typer\.Exit\((?!0?\))", text) for text in _sources(command))
    told = any(paragraph.startswith("Exit status") for paragraph in command.paragraphs)
    assert told == (ends and command.name != "streamgauge")  # whose own is that of every wrong use: 2


def test_a_command_that_tells_no_status_is_noticed() -> None:
    """The rule above finds those that end with one, also in a function beside the command."""
    ending = {command.name for command in COMMANDS if any("typer.Exit(" in text for text in _sources(command))}
    assert {"streamgauge doctor", "streamgauge drift", "streamgauge produce"} <= ending
    assert "streamgauge runs" not in ending


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_a_setting_is_described(field: msgspec.structs.FieldInfo) -> None:
    words = about(field.name)
    assert len(words.words) > 10
    assert bool(words.unset) == (field.default is None)
    assert not words.page or (DOCS / words.page.partition("#")[0]).is_file()


def test_groups_and_choices_are_those_of_settings() -> None:
    names = Settings.__struct_fields__
    assert list(GROUPS) == sorted(GROUPS, key=names.index)
    assert next(iter(GROUPS)) == names[0]
    assert set(CHOICES) <= set(names)


def test_a_metric_is_described_with_who_exports_it() -> None:
    assert len(METRICS) > 20
    assert [name for name, metric in METRICS.items() if not re.fullmatch(r".{10,}\.", metric.words)] == []
    assert METRICS["streamgauge_waiting"].services == ("scorer", "monitor", "trainer")
    assert METRICS["streamgauge_entries_claimed_total"].services == ("scorer", "trainer")
    assert METRICS["streamgauge_drift_alert"].labels == ("detector",)
    table = metrics_table()
    assert [name for name, metric in METRICS.items() if f"| `{name}` | {metric.kind} |" not in table] == []


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_settings_and_metrics_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    variables = {
        name.removesuffix("_FILE").lower() for name in re.findall(r"\bSTREAMGAUGE_([A-Z_]*[A-Z])\b", text)
    }
    of_compose = {name.lower() for name in re.findall(r"\$\{STREAMGAUGE_([A-Z_]+)", COMPOSE)}
    assert variables - set(Settings.__struct_fields__) - of_compose == set()
    series = re.findall(r"(?<![\w:./-])streamgauge_(?:shadow_)?(\w*[a-z])(?![\w.-]*/)", text)
    named = {re.sub(r"_(?:bucket|count|sum)$", "", f"streamgauge_{name}") for name in series}
    assert named - {*METRICS} - OTHER_NAMES == set()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[list[Service]]:
    """One of each service, that nobody has started."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", http_port=0, miniflow=str(tmp_path))
    with ExitStack() as stack:
        made: list[Service] = []
        for make in (
            lambda: StreamScorer(settings),
            lambda: HttpScorer(settings),
            lambda: ShadowScorer(settings, "c" * 12),
            lambda: Monitor(settings),
            lambda: Trainer(settings),
        ):
            made.append(make())
            stack.callback(made[-1].http.close)
        yield made


def test_every_route_stands_on_the_page_of_http(services: list[Service]) -> None:
    routes = {route for service in services for route in service.http._routes}
    assert ("POST", "/predict") in routes
    told = set(re.findall(r"`(GET|POST) (/\S*)`", HTTP_PAGE))
    files = {(method, path) for method, path in routes if re.fullmatch(r"/[\w-]+\.(?:js|css|svg)", path)}
    assert routes - files - told == set()
    assert told - routes == set()
    assert bool(files) == bool(files & told)


def test_every_status_of_http_stands_on_its_page() -> None:
    told = {
        int(status)
        for cells in re.findall(r"^\| ([\d, ]+) \|", HTTP_PAGE, re.MULTILINE)
        for status in cells.split(",")
    }
    assert told == set(_STATUS)


def _is_told(parameter: Parameter) -> bool:
    return len(_SPACE.split(parameter.words)) > 1


def _sources(command: Command) -> list[str]:
    """The text of a command's function, and of the functions of its module that it calls, and so on."""
    module = inspect.getmodule(command.callback)
    waiting, seen = [command.callback.__name__], set[str]()
    texts = []
    while waiting:
        name = waiting.pop()
        function = getattr(module, name, None)
        if name in seen or not inspect.isfunction(function) or inspect.getmodule(function) is not module:
            continue
        seen.add(name)
        texts.append(inspect.getsource(function))
        waiting += [node.id for node in ast.walk(ast.parse(texts[-1])) if isinstance(node, ast.Name)]
    return texts
