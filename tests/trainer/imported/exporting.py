"""What docs/importing.md tells people to do, done."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "importing.md"


def snippet() -> str:
    """The three lines of the page."""
    found = re.search(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def export(model: Any, directory: Path) -> Path:
    """Run them on a fitted estimator, in ``directory``."""
    with contextlib.chdir(directory):
        exec(compile(snippet(), _PAGE.name, "exec"), {"model": model})  # noqa: S102  (the page's own lines)
    return directory / "model.json"
