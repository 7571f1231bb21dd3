"""A browser for the session, a pipeline for each test, and what holds for every page of every test."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.page.browser import Watch, running_browser
from tests.page.stage import Stage
from tests.page.tools import OUT
from tests.servers import running_server, server_program

MakeStage = Callable[..., Stage]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One for all tests; each page has a context, and so a cache and a session, of its own."""
    shutil.rmtree(OUT, ignore_errors=True)  # the pictures there are those of one run
    OUT.mkdir()
    with running_browser() as running:
        yield running


@pytest.fixture
def watch(browser: Any, request: pytest.FixtureRequest) -> Iterator[Watch]:
    """Opens pages. Afterwards each is kept as a picture, and none had a trouble."""
    made = Watch(browser)
    yield made
    name = re.sub(r"[^\w-]+", "-", request.node.name).strip("-")
    for number, page in enumerate(made.pages):
        page.screenshot(path=OUT / f"{name}-{number}.png", full_page=True)
    made.close()
    assert made.unforgiven() == []


@pytest.fixture
def make_stage(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeStage]:
    """Makes pipelines; their processes end with the test."""
    with ExitStack() as stack:

        def made(**options: Any) -> Stage:
            folder: Path = tmp_path_factory.mktemp("stage")
            return Stage(valkey_url, f"page-{secrets.token_hex(4)}", folder, stack, **options)

        yield made


@pytest.fixture
def calm(make_stage: MakeStage) -> Stage:
    """A model, every service, and some windows in which nothing happened."""
    return settled(make_stage())


@pytest.fixture
def own_calm(tmp_path: Path) -> Iterator[Stage]:
    """The same on a server of the test's own, which it may end."""
    with ExitStack() as stack:
        port = stack.enter_context(running_server(server_program("valkey"), tmp_path / "server"))
        yield settled(Stage(f"redis://127.0.0.1:{port}/0", "page", tmp_path, stack))


def settled(stage: Stage) -> Stage:
    """With a model, every service, and as many windows as a line needs to be one."""
    stage.fit()
    for module in ("scorer", "monitor", "trainer"):
        stage.start(module)
    stage.push_until(lambda: stage.windows() >= 3)
    return stage
