"""The table of docs/operations/metrics.md, from ``core.telemetry`` and from who touches what of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from core.bulk_histogram import BulkHistogram
from core.telemetry import Telemetry
from docs.source.markdown import code, codes, table

_CHECKOUT = Path(__file__).resolve().parents[2]
SERVICES = ("scorer", "monitor", "trainer")
#: What is set by way of a method of the telemetry.
_BY_METHOD = {"set_production": ("production_info", "production_updated")}
#: Pages that say more of a label's values.
_MORE = {
    "streamgauge_records_rejected_total": "[the reasons](../reference/wire.md#reasons-of-a-rejection)",
    "streamgauge_webhook_alerts_total": "[the outcomes](alerting.md#the-webhook)",
}


class Metric(NamedTuple):
    """A metric as it is exported."""

    name: str
    kind: str
    labels: tuple[str, ...]  #: besides ``pipeline``
    words: str
    services: tuple[str, ...]  #: that export it


def metrics_table() -> str:
    """All metrics, those of every service first."""
    rows = [
        (
            code(metric.name),
            metric.kind,
            codes(metric.labels),
            "all" if metric.services == SERVICES else ", ".join(metric.services),
            "; ".join(filter(None, (metric.words.rstrip("."), _MORE.get(metric.name, "")))),
        )
        for metric in sorted(metrics(), key=lambda metric: -len(metric.services))
    ]
    return table(("metric", "type", "other labels", "exported by", "what"), rows)


def metrics() -> list[Metric]:
    """Every metric, in the order of ``core.telemetry``."""
    found = []
    for attribute, metric in vars(Telemetry("any")).items():
        if isinstance(metric, BulkHistogram):
            metric.observe(0.0)  # it says nothing before
            (histogram,) = metric.collect()
            name, kind, words, labels = histogram.name, "histogram", histogram.documentation, ()
        elif isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            name = family.name + ("_total" if family.type == "counter" else "")
            # the library tells a metric's labels nowhere else
            kind, words, labels = family.type, family.documentation, tuple(metric._labelnames)[1:]  # noqa: SLF001
        else:
            continue
        found.append(Metric(name, kind, labels, words, _exporters(attribute)))
    return found


def _exporters(attribute: str) -> tuple[str, ...]:
    """Services whose code touches a metric; what core alone touches is of all."""
    return tuple(service for service in SERVICES if attribute in _touched(service)) or SERVICES


def _touched(service: str) -> set[str]:
    names: set[str] = set()
    for path in (_CHECKOUT / service).rglob("*.py"):
        for name in re.findall(r"telemetry\.(\w+)", path.read_text(encoding="utf-8")):
            names.update(_BY_METHOD.get(name, (name,)))
    return names
