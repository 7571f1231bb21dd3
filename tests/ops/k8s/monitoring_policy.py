"""Prometheus' operator must scrape what there is, under the jobs that rules and dashboards name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.ops.documents import documents
from tests.ops.k8s.generated import RULES
from tests.ops.k8s.link_policy import ports
from tests.ops.k8s.rendered import Rendered, name_of, selects
from tests.ops.k8s.setting_policy import PORTS

_NAME = "app.kubernetes.io/name"


def monitoring_complaints(rendered: Rendered) -> Iterator[str]:
    """Everything that is wrong with what is scraped, and rules that are not those of the one file."""
    for monitor in rendered.of("ServiceMonitor"):
        yield from _service_monitor(rendered, monitor)
    for resource in rendered.of("PrometheusRule"):
        if _spaced(resource["spec"]) != _spaced(*documents(RULES)):
            yield f"{name_of(resource)}: the rules are not those of {RULES.name}; run make k8s-generated"


def _spaced(rules: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups with single spaces in expressions: kustomize folds lines anew, which PromQL does not see."""
    return [
        group | {"rules": [rule | {"expr": " ".join(str(rule["expr"]).split())} for rule in group["rules"]]}
        for group in rules["groups"]
    ]


def _service_monitor(rendered: Rendered, monitor: dict[str, Any]) -> Iterator[str]:
    name, spec = name_of(monitor), monitor["spec"]
    services = [
        service for service in rendered.of("Service") if selects(spec["selector"], service["metadata"]["labels"])
    ]
    found = {service["metadata"]["name"] for service in services}
    if found != set(PORTS):
        yield f"{name}: scrapes {sorted(found)} instead of {sorted(PORTS)}"
    if spec.get("jobLabel") != _NAME or any(
        service["metadata"]["labels"][_NAME] != service["metadata"]["name"] for service in services
    ):
        yield f"{name}: the job would not be the service's name"
    for endpoint in spec["endpoints"]:
        if endpoint.get("path") != "/metrics":
            yield f"{name}: /metrics is not what is scraped"
        for service in services:
            named = {port["name"]: port["targetPort"] for port in service["spec"]["ports"]}
            workload = rendered.find("Deployment", service["metadata"]["name"])
            if workload is None or named.get(endpoint["port"]) not in ports(workload):
                yield f"{name}: {name_of(service)} has no port {endpoint['port']}"
