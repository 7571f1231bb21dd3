"""The page of guarantees names tests that exist, and each guarantee is tested on both servers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
#: ``folder/test_file.py::test_name``, as the page writes it.
_NAMED = re.compile(r"`(\w+/test_\w+\.py)::(test_\w+)`")
_ROWS = re.findall(r"^\| (\d+)\. ([^|]+) \|[^|]+\|([^|]+)\|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def collected() -> dict[str, set[str]]:
    """What pytest would run of the files that the page names: parameters by test."""
    files = sorted({f"tests/{file}" for file, _ in _NAMED.findall(PAGE)})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *files]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, set[str]] = {}
    for line in listing.splitlines():
        name, _, parameters = line.removeprefix("tests/").partition("[")
        found.setdefault(name, set()).update(re.split(r"[-\]]", parameters))
    return found


def test_there_are_eleven() -> None:
    assert [int(number) for number, _, _ in _ROWS] == list(range(1, 12))


def test_every_test_that_is_named_exists(collected: dict[str, set[str]]) -> None:
    named = {f"{file}::{test}" for file, test in _NAMED.findall(PAGE)}
    assert named <= set(collected)
    assert PAGE.count("::test_") == len(_NAMED.findall(PAGE))  # none is written in another way


@pytest.mark.parametrize(("number", "title", "tests"), _ROWS)
def test_each_guarantee_is_tested_on_both_servers(
    collected: dict[str, set[str]], number: str, title: str, tests: str
) -> None:
    on_both = [test for test in _NAMED.findall(tests) if {"valkey", "redis"} <= collected["::".join(test)]]
    assert on_both, f"guarantee {number}, {title}"
