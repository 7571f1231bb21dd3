"""The shipped files of Prometheus and Alertmanager, copies of them to break, and what stands in the rules."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.ops.documents import documents
from tests.ops.tools import CHECKOUT

SHIPPED = CHECKOUT / "observability"
RULES = Path("prometheus") / "rules" / "streamgauge.yml"
CONFIG = Path("prometheus") / "prometheus.yml"
UNIT_TESTS = Path("prometheus") / "tests"
ALERTMANAGER = Path("alertmanager") / "alertmanager.yml"


def copied(folder: Path) -> Path:
    """A copy of the files of both, to be broken."""
    for name in ("prometheus", "alertmanager"):
        shutil.copytree(SHIPPED / name, folder / name)
    return folder


def broken(path: Path, *edits: tuple[str, str]) -> Path:
    """The same file with some texts replaced, each of which must be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text, f"{path.name} has no {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def unit_tests(folder: Path) -> list[Path]:
    """The test files of promtool."""
    return sorted((folder / UNIT_TESTS).glob("*_test.yml"))


def rules(folder: Path = SHIPPED) -> list[dict[str, Any]]:
    """All rules, in their order."""
    (document,) = documents(folder / RULES)
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts(folder: Path = SHIPPED) -> list[dict[str, Any]]:
    """The rules that alert."""
    return [rule for rule in rules(folder) if "alert" in rule]


def alert_names() -> list[str]:
    """Each name once; a name may have a rule for each severity."""
    return list(dict.fromkeys(rule["alert"] for rule in alerts()))


def records() -> list[str]:
    """Names of the recording rules."""
    return [rule["record"] for rule in rules() if "record" in rule]
