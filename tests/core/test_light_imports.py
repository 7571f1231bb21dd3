"""Services do without what only commands need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
#: Memory and time at each start of a worker; the first is what structlog would bring.
UNWANTED = ("rich", "typer", "pygments")


@pytest.mark.parametrize("service", ["scorer", "monitor", "trainer"])
def test_a_service_imports_neither_rich_nor_typer(service: str) -> None:
    program = (
        "from core.light_imports import import_structlog_without_rich as quietly; quietly(); "
        f"import {service}.service, core.options, sys; "
        f"print([name for name in {UNWANTED} if sys.modules.get(name)]); import rich; print(rich.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "rich"]
