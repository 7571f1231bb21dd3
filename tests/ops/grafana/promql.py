"""What expressions ask for: do they parse, and is there such a metric, label, recorded series?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from core.bulk_histogram import BulkHistogram
from core.telemetry import Telemetry
from tests.ops.documents import as_yaml
from tests.ops.grafana.shipped import Expression, expressions
from tests.ops.prometheus.observability import rules
from tests.ops.tools import run, use_packages

use_packages()

import promql_parser  # noqa: E402  (only now can it be found)

#: Labels that the scrape adds to every metric of ours.
_SCRAPED = {"pipeline", "job", "instance"}
#: Series of Prometheus itself.
_OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "pipeline", "severity"}}


def metric_labels() -> dict[str, set[str]]:
    """Labels by series: what core/telemetry.py has, what rules record, and Prometheus' own."""
    known = {name: set(labels) for name, labels in _OF_PROMETHEUS.items()}
    for metric in vars(Telemetry("any")).values():
        if isinstance(metric, BulkHistogram):
            metric.observe(0.0)  # it says nothing before
            (histogram,) = metric.collect()
            known |= {f"{histogram.name}_{part}": set(_SCRAPED) for part in ("count", "sum")}
            known[f"{histogram.name}_bucket"] = {*_SCRAPED, "le"}
        elif isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            labels = {*_SCRAPED, *metric._labelnames}  # the library tells them nowhere else
            parts = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
            known |= {family.name + part: labels | ({"le"} if part == "_bucket" else set()) for part in parts}
    for rule in rules():
        if "record" in rule:
            # level:metric:operation, where the level names the labels that are kept
            known[rule["record"]] = set(rule["record"].partition(":")[0].split("_"))
    return known


def promql_complaints(folder: Path) -> list[str]:
    """What is wrong with the expressions of Grafana's files."""
    known = metric_labels()
    return [
        f"{expression.where}: {complaint}"
        for expression in expressions(folder)
        for complaint in _complaints(expression, known)
    ]


def promtool_errors(folder: Path, scratch: Path) -> str:
    """What Prometheus' own parser has against the expressions, each as a rule; empty where it has nothing."""
    made = [
        {"record": f"of_grafana:{number}", "expr": expression.text}
        for number, expression in enumerate(expressions(folder))
    ]
    path = scratch / "of_grafana.yml"
    path.write_text(as_yaml({"groups": [{"name": "grafana", "rules": made}]}), encoding="utf-8")
    done = run("promtool", "check", "rules", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _complaints(expression: Expression, known: dict[str, set[str]]) -> Iterator[str]:
    if "$" in expression.text:
        yield f"a variable that Grafana does not set is in {expression.text}"
        return
    try:
        tree = promql_parser.parse(expression.text)
    except ValueError as error:
        yield f"no PromQL: {error}"
        return
    selectors, kept = _parts(tree)
    there: set[str] = set()
    for name, labels in selectors:
        if name not in known:
            yield f"nothing is called {name}"
            continue
        there |= known[name]
        yield from (f"{name} has no label {label}" for label in sorted(labels - known[name]))
    if not selectors:
        yield "it asks for nothing"
    yield from (f"it keeps a label {label} that nothing has" for label in sorted(kept - there) if there)
    told = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", expression.legend))
    left = kept if kept or not there else there
    yield from (f"its legend has {{{{{label}}}}}, which is not kept" for label in sorted(told - left))


def _parts(tree: Any) -> tuple[list[tuple[str, set[str]]], set[str]]:
    """(Series, labels in its selector), and the labels by which something is grouped."""
    selectors: list[tuple[str, set[str]]] = []
    kept: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            selectors.append((node.name, {matcher.name for matcher in node.matchers.matchers}))
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            kept.update(node.modifier.labels)

    promql_parser.walk(tree, visit)
    return selectors, kept
