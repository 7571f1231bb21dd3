"""The examples in docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT

#: Folders of code whose docstrings may have examples.
_FOLDERS = ("core", "producer", "scorer", "monitor", "trainer", "streamgauge", "bench", "docs")
FILES = [
    path
    for folder in _FOLDERS
    for path in sorted((CHECKOUT / folder).rglob("*.py"))
    if ".venv" not in path.parts and "\n    >>> " in path.read_text(encoding="utf-8")
]


def failures(name: str, examples: object) -> tuple[int, int]:
    """How many of the examples in an object's docstrings fail, and how many there are."""
    finder, runner = doctest.DocTestFinder(exclude_empty=True), doctest.DocTestRunner(verbose=False)
    for found in finder.find(examples, name):
        runner.run(found)
    return runner.summarize(verbose=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CHECKOUT).as_posix())
def test_the_examples_of_a_module_do_what_they_show(path: Path) -> None:
    name = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
    failed, tried = failures(name, importlib.import_module(name))
    assert tried > 0
    assert failed == 0


def test_an_example_that_does_something_else_is_noticed() -> None:
    def shows_another() -> None:
        """Show what is not so.

        >>> 1 + 1
        3
        """

    assert failures("shows_another", shows_another) == (1, 1)
