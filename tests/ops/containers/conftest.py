"""The engine and the image, made once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ops.containers.build import build_image
from tests.ops.containers.compose_file import stand_ins
from tests.ops.containers.container import Container, Image, Mount, Task
from tests.ops.containers.engine import Engine
from tests.ops.containers.shortcomings import SHORTCOMINGS
from tests.ops.tools import CHECKOUT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what this machine did not allow."""
    for sentence in SHORTCOMINGS:
        terminalreporter.write_line(f"NOT CHECKED HERE: {sentence}", yellow=True)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Where containers run."""
    with Engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image, built from the Dockerfile as it stands."""
    return build_image(engine, CHECKOUT, tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="session")
def images(engine: Engine, image: Image) -> dict[str, Image]:
    """All images that there are, by name."""
    return {**stand_ins(engine), "streamgauge": image}


@pytest.fixture(scope="session")
def secrets(engine: Engine, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``streamgauge secrets`` makes, run in the image as the documentation has it."""
    place = tmp_path_factory.mktemp("checkout")
    task = Task(
        service="secrets",
        image=image,
        command=("streamgauge", "secrets", "/here/secrets"),
        user="0:0",
        mounts=(Mount(str(place), "/here"),),
    )
    container = Container(engine, task, place / "log")
    try:
        assert container.wait() == 0, container.said()
    finally:
        container.remove()
    return place / "secrets"
