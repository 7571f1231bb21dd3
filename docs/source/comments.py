"""What the code says beside its names: the ``#:`` comments of fields, constants and the words of a tuple."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from functools import cache
from pathlib import Path
from types import ModuleType

_MARK = "#:"
#: Whose classes are read.
_PACKAGES = ("core", "monitor", "scorer", "trainer", "streamgauge")


def field_comments(kind: type) -> dict[str, str]:
    """The comment beside each field of a class, those of its bases included; fields without one are left out.

    It stands behind the field, or in lines of its own above it.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] in _PACKAGES:
            path = Path(inspect.getfile(base))
            for node in _class(path, base.__qualname__).body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    text = _beside(path, node)
                    found |= {node.target.id: text} if text else {}
    return found


def constant_comment(module: ModuleType, name: str) -> str:
    """The comment of a module's constant; empty where it has none."""
    path = Path(str(module.__file__))
    return _beside(path, _assignment(path, name))


def word_comments(module: ModuleType, name: str) -> dict[str, str]:
    """The comment behind each word of a constant that is a tuple of words."""
    path = Path(str(module.__file__))
    value = _assignment(path, name).value
    words = value.elts if isinstance(value, ast.Tuple) else []
    return {
        str(word.value): _comments(path).get(word.end_lineno or 0, "")
        for word in words
        if isinstance(word, ast.Constant)
    }


def _beside(path: Path, node: ast.stmt) -> str:
    comments, lines = _comments(path), _lines(path)
    behind = comments.get(node.end_lineno or 0)
    if behind is not None:
        return behind
    above: list[str] = []
    at = node.lineno - 1
    while at in comments and lines[at - 1].lstrip().startswith(_MARK):
        above.insert(0, comments[at])
        at -= 1
    return " ".join(above)


def _class(path: Path, name: str) -> ast.ClassDef:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{path} has no class {name}")


def _assignment(path: Path, name: str) -> ast.Assign | ast.AnnAssign:
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            return node
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return node
    raise LookupError(f"{path} has no constant {name}")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@cache
def _comments(path: Path) -> dict[int, str]:
    """``#:`` comments by line."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {
        token.start[0]: token.string.removeprefix(_MARK).strip()
        for token in tokens
        if token.type == tokenize.COMMENT and token.string.startswith(_MARK)
    }
