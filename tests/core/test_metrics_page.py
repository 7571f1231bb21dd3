"""docs/operations/metrics.md lists every metric with its type and labels, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from core.bulk_histogram import BulkHistogram
from core.telemetry import Telemetry

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "metrics.md"

Metrics = dict[str, tuple[str, set[str]]]  #: type, and labels besides ``pipeline``


def test_the_page_lists_every_metric_with_its_type_and_labels() -> None:
    assert listed(_PAGE.read_text()) == exported()


def test_a_metric_that_is_not_listed_is_noticed() -> None:
    page = _PAGE.read_text()
    assert listed(page.replace("| `streamgauge_waiting` |", "| `streamgauge_awaiting` |")) != exported()
    assert listed(page.replace("| gauge | `feature` |", "| gauge | `column` |")) != exported()
    assert listed(page.replace("| counter | `reason` |", "| gauge | `reason` |")) != exported()


def listed(page: str) -> Metrics:
    """The rows of the page's table."""
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines() if line.startswith("| `")]
    return {row[1].strip("`"): (row[2], set(re.findall(r"`(\w+)`", row[3]))) for row in rows}


def exported() -> Metrics:
    """What core/telemetry.py makes."""
    found: Metrics = {}
    for metric in vars(Telemetry("any")).values():
        if isinstance(metric, BulkHistogram):
            metric.observe(0.0)  # it says nothing before
            (histogram,) = metric.collect()
            found[histogram.name] = "histogram", set()
        elif isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            ending = "_total" if family.type == "counter" else ""
            # the library tells a metric's labels nowhere else
            found[family.name + ending] = family.type, {*metric._labelnames} - {"pipeline"}
    return found
