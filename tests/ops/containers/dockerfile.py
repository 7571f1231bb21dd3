"""Reads the Dockerfile and .dockerignore, as far as ours go; anything else in them fails."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path


@dataclass
class Stage:
    """One ``FROM`` and what follows."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, instruction: str) -> list[str]:
        """What stands behind an instruction, each time."""
        return [text for each, text in self.steps if each == instruction]

    def text(self, instruction: str) -> str:
        """What stands behind an instruction that is there once."""
        (found,) = self.texts(instruction)
        return found

    def listed(self, instruction: str) -> tuple[str, ...]:
        """The JSON list behind an instruction."""
        text = self.text(instruction)
        return tuple(json.loads(text[text.index("[") :]))

    def pairs(self, instruction: str) -> dict[str, str]:
        """``name=value`` behind all instructions of a kind."""
        words = [word for text in self.texts(instruction) for word in shlex.split(text)]
        return dict(word.split("=", 1) for word in words)


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages in order."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].steps.append((instruction, rest.strip()))
    return stages


def copy_context(checkout: Path, target: Path) -> None:
    """The build context: what .dockerignore lets through."""
    rules = [line for line in (checkout / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    target.mkdir()
    for entry in sorted(checkout.iterdir()):
        if _ignored(entry.name, rules):
            continue
        if entry.is_file():
            shutil.copy2(entry, target)
            continue
        for path in sorted(entry.rglob("*")):
            name = str(path.relative_to(checkout))
            if path.is_file() and not _ignored(name, rules):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / name)


def _ignored(name: str, rules: list[str]) -> bool:
    """The last rule that matches the path or a folder above it decides."""
    ignored = False
    for rule in rules:
        keep, pattern = rule.startswith("!"), rule.removeprefix("!").rstrip("/")
        if _matches(name, pattern):
            ignored = not keep
    return ignored


def _matches(name: str, pattern: str) -> bool:
    parts = name.split("/")
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in parts)
    assert "/" not in pattern, f"{pattern} is more than this reader knows"
    return fnmatch(parts[0], pattern)
