"""What of an expression must have an answer, whether all is well or not.

An alert's expression is empty when all is well. Its parts are not: what is compared, what is joined by ``and``,
``or`` and ``unless``, what ``absent`` looks for. A misspelt metric in any of them shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.ops.documents import documents
from tests.ops.tools import use_packages

use_packages()

import promql_parser  # noqa: E402  (only now can it be found)

_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_SETS = frozenset({"and", "or", "unless"})
_ABSENT = frozenset({"absent", "absent_over_time"})
_LITERALS = frozenset({"NumberLiteral", "StringLiteral"})
#: What Grafana puts in place of its variables, and those of the dashboards.
_VARIABLES = {"__rate_interval": "1m", "__interval": "15s", "__range": "5m", "pipeline": "default"}
#: What is chosen of a variable that is not known here: everything.
_ALL = ".+"


def parts(expression: str, recorded: Mapping[str, str]) -> list[str]:
    """The parts that are never empty; ``recorded``: expressions of recording rules by name.

    >>> parts("a > 0 and b == 1 unless absent(c)", {})
    ['a', 'b', 'c']
    >>> parts("sum by (x) (rate(a[1m]) > 0) / 2", {})
    ['rate(a[1m])']
    >>> parts("sum(a) > bool 0", {})
    ['sum(a) > bool 0']
    >>> parts("level:a:bad > 0", {"level:a:bad": "a unless b"})
    ['a', 'b']
    """
    return [" ".join(node.prettify().split()) for node in _parts(promql_parser.parse(expression), recorded)]


def _parts(node: Any, recorded: Mapping[str, str]) -> list[Any]:
    kind = type(node).__name__
    if kind in _LITERALS:
        return []
    below = [each for child in _children(node) for each in _parts(child, recorded)]
    if kind in {"ParenExpr", "UnaryExpr"} or (kind == "BinaryExpr" and _filters(node)):
        return below
    if kind == "Call" and node.func.name in _ABSENT:
        return below
    if kind == "VectorSelector" and node.name in recorded:
        inner = promql_parser.parse(recorded[node.name])
        found = _parts(inner, recorded)
        return found if _may_be_empty(inner, recorded) else [node]
    return below if any(_may_be_empty(child, recorded) for child in _children(node)) else [node]


def _may_be_empty(node: Any, recorded: Mapping[str, str]) -> bool:
    """Whether something in it leaves samples out on purpose."""
    kind = type(node).__name__
    if (kind == "BinaryExpr" and _filters(node)) or (kind == "Call" and node.func.name in _ABSENT):
        return True
    if kind == "VectorSelector" and node.name in recorded:
        return _may_be_empty(promql_parser.parse(recorded[node.name]), recorded)
    return any(_may_be_empty(child, recorded) for child in _children(node))


def _filters(node: Any) -> bool:
    compares = str(node.op) in _COMPARISONS
    return str(node.op) in _SETS or (compares and not (node.modifier is not None and node.modifier.return_bool))


def _children(node: Any) -> list[Any]:
    kind = type(node).__name__
    if kind == "BinaryExpr":
        return [node.lhs, node.rhs]
    if kind == "Call":
        return list(node.args)
    return [node.expr] if hasattr(node, "expr") else []


def rules(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Name and expression of each rule of a file, and whether it records."""
    for document in documents(path):
        for group in document["groups"]:
            for rule in group["rules"]:
                yield rule.get("record") or rule["alert"], rule["expr"], "record" in rule


def shown(path: Path) -> Iterator[tuple[str, str]]:
    """Title and expression of everything that a file of Grafana asks Prometheus, its variables filled in."""
    text = path.read_text(encoding="utf-8")
    for document in [json.loads(text)] if path.suffix == ".json" else documents(text):
        yield from _asked(document, path.name)


def _asked(value: Any, title: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        title = str(value.get("title") or value.get("name") or title)
        if isinstance(value.get("expr"), str) and value["expr"]:
            yield title, _filled(value["expr"])
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _asked(child, title)


def _filled(expression: str) -> str:
    """Variables as ``$name``, ``${name}`` or ``${name:format}``."""
    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", _value, expression)


def _value(found: re.Match[str]) -> str:
    return _VARIABLES.get(found.group(1) or found.group(2), _ALL)
