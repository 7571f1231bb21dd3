"""Services do without what only commands need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
#: Memory and time at each start of a worker; the first is what structlog would bring.
UNWANTED = ("rich", "typer", "pygments")
#: What only traces need, where the extra ``tracing`` is installed.
OF_TRACING = ("opentelemetry", "requests", "google", "urllib3", "core.open_telemetry", "scorer.trace")
#: redis-py itself imports OpenTelemetry's metrics where they are installed.
BROUGHT_BY_REDIS = (
    "import redis, sys; before = set(sys.modules); "
    f"brought = lambda: [name for name in set(sys.modules) - before if name.startswith({OF_TRACING})]"
)
#: Module, class and further arguments of each service.
CLASSES = {
    "scorer": ("scorer.service", "StreamScorer", ""),
    "shadow": ("scorer.shadow", "ShadowScorer", ", 'c' * 12"),
    "monitor": ("monitor.service", "Monitor", ""),
    "trainer": ("trainer.service", "Trainer", ""),
}


@pytest.mark.parametrize("service", ["scorer", "monitor", "trainer"])
def test_a_service_imports_neither_rich_nor_typer(service: str) -> None:
    program = (
        "from core.light_imports import import_structlog_without_rich as quietly; quietly(); "
        f"import {service}.service, core.options, sys; "
        f"print([name for name in {UNWANTED} if sys.modules.get(name)]); import rich; print(rich.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "rich"]


@pytest.mark.parametrize("service", ["scorer", "monitor", "trainer", "shadow"])
def test_a_service_without_tracing_imports_nothing_for_it(service: str, tmp_path: Path) -> None:
    program = (
        f"{BROUGHT_BY_REDIS}; from core.settings import Settings; "
        f"from {CLASSES[service][0]} import {CLASSES[service][1]} as Service; "
        f"settings = Settings(redis_url='redis://127.0.0.1:1/0', http_port=0, miniflow={str(tmp_path)!r}); "
        f"service = Service(settings{CLASSES[service][2]}); assert service.tracer is None; "
        "print(brought())"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_a_producer_without_tracing_imports_nothing_for_it() -> None:
    program = f"{BROUGHT_BY_REDIS}; import producer.client, producer.commands; print(brought())"
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
