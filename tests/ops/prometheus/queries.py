"""Expressions that pages show."""

from __future__ import annotations

from pathlib import Path

from tests.ops.documents import as_yaml
from tests.ops.tools import run


def expressions(body: str) -> list[str]:
    """The expressions of a block: one, or one a line."""
    lines = [line for line in body.splitlines() if line.strip()]
    goes_on = any(line.startswith((" ", ")")) for line in lines)
    return ["\n".join(lines)] if goes_on else lines


def complaint(queries: list[str], folder: Path) -> str:
    """What promtool has against expressions, or nothing."""
    rules = [{"record": f"a:query{number}:b", "expr": one} for number, one in enumerate(queries)]
    path = folder / "queries.yml"
    path.write_text(as_yaml({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    done = run("promtool", "check", "rules", path)
    return done.stderr if done.returncode else ""
