"""What Grafana's provisioning files say of each other, of compose, and of the rule of Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from observability.grafana.source.panel import DATASOURCE
from tests.ops.documents import documents
from tests.ops.grafana.shipped import Json, alert_rules, boards, panels, provisioned
from tests.ops.prometheus.observability import alerts
from tests.ops.tools import CHECKOUT

#: Keys that Grafana reads in each place; what it does not know it passes over in silence.
_KNOWN = {
    "datasource": "name uid type access url isDefault editable jsonData",
    "jsonData": "httpMethod prometheusType timeInterval",
    "provider": "name orgId folder type disableDeletion allowUiUpdates updateIntervalSeconds options",
    "group": "orgId name folder interval rules",
    "rule": "uid title condition data noDataState execErrState for keepFiringFor isPaused labels annotations"
    " dashboardUid panelId",
    "query": "refId relativeTimeRange datasourceUid model",
    "contact point": "orgId name receivers",
    "receiver": "uid type disableResolveMessage settings",
    "webhook": "url httpMethod authorization_scheme authorization_credentials",
    "policy": "orgId receiver group_by group_wait group_interval repeat_interval object_matchers continue routes",
}
_EXPRESSION = "__expr__"
#: What Grafana makes of no data and of an error.
_NO_DATA, _ERROR = {"NoData", "Alerting", "OK", "KeepLast"}, {"Error", "Alerting", "OK", "KeepLast"}
_SECRET = re.compile(r"^\$__file\{/run/secrets/([\w-]+)\}$")
#: How often Grafana looks at rules; an interval that is no multiple is refused.
_TICK_S = 10


def provisioning_complaints(folder: Path) -> list[str]:
    """What is wrong with the provisioning files."""
    (compose,) = documents(CHECKOUT / "docker-compose.yml")
    names = ("datasources/prometheus", "dashboards/streamgauge", *(f"alerting/{name}" for name in _ALERTING))
    found = [f"{name}: apiVersion is not 1" for name in names if provisioned(folder, name).get("apiVersion") != 1]
    for check in (_datasources, _providers, _rules, _same_as_prometheus, _contact_points, _policies):
        found += _with_missing_keys(check(folder, compose["services"]))
    return found


def _with_missing_keys(complaints: Iterator[str]) -> Iterator[str]:
    """Complaints, and the key without which a check could not go on."""
    try:
        yield from complaints
    except KeyError as missing:
        yield f"{missing} is missing"


_ALERTING = ("rules", "contact-points", "policies")


def _unknown(what: str, document: Json) -> Iterator[str]:
    yield from (f"a {what} has no {key}" for key in sorted(set(document) - set(_KNOWN[what].split())))


def _datasources(folder: Path, services: Json) -> Iterator[str]:
    for datasource in provisioned(folder, "datasources/prometheus")["datasources"]:
        yield from _unknown("datasource", datasource)
        yield from _unknown("jsonData", datasource["jsonData"])
        if {key: datasource.get(key) for key in DATASOURCE} != DATASOURCE:
            yield "the datasource is not the one that dashboards ask"
        if not _is_service(datasource["url"], "/", services):
            yield f"the datasource is at {datasource['url']}, which is no service"


def _providers(folder: Path, services: Json) -> Iterator[str]:
    (provider,) = provisioned(folder, "dashboards/streamgauge")["providers"]
    yield from _unknown("provider", provider)
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    if mounted.get("./observability/grafana/dashboards") != provider["options"]["path"]:
        yield "dashboards are not mounted where the provider looks"
    if mounted.get("./observability/grafana/provisioning") != "/etc/grafana/provisioning":
        yield "provisioning files are not mounted where Grafana looks"


def _rules(folder: Path, services: Json) -> Iterator[str]:
    del services
    for group in provisioned(folder, "alerting/rules")["groups"]:
        yield from _unknown("group", group)
        if _seconds(group["interval"]) % _TICK_S:
            yield f"the interval {group['interval']} is no multiple of {_TICK_S} s"
    shown = {
        board["uid"]: {str(panel["id"]): panel for panel in panels(board)} for board in boards(folder).values()
    }
    for rule in alert_rules(folder):
        yield from _unknown("rule", rule)
        for query in rule["data"]:
            yield from _unknown("query", query)
        letters = [query["refId"] for query in rule["data"]]
        if rule["condition"] not in letters:
            yield f"the condition {rule['condition']} is no query"
        yield from _queries(rule["data"], letters)
        if rule["noDataState"] not in _NO_DATA or rule["execErrState"] not in _ERROR:
            yield "a state that Grafana does not know"
        told = rule["annotations"]
        place = (told.get("__dashboardUid__"), told.get("__panelId__"))
        if place != (rule["dashboardUid"], str(rule["panelId"])):
            yield "the annotations name another panel than the rule"
        panel = shown.get(rule["dashboardUid"], {}).get(str(rule["panelId"]))
        if panel is None or not any("drift_score" in target["expr"] for target in panel["targets"]):
            yield "its panel does not show the drift score"
        if any("$" in str(value) for value in rule["labels"].values()):
            yield "a label has a variable, which Grafana replaces when it reads the file"


def _queries(queries: Iterable[Json], letters: list[str]) -> Iterator[str]:
    for query in queries:
        uid, model = query["datasourceUid"], query["model"]
        if model["refId"] != query["refId"] or model["datasource"]["uid"] != uid:
            yield f"query {query['refId']} is not what its model says"
        if uid not in {_EXPRESSION, DATASOURCE["uid"]}:
            yield f"query {query['refId']} asks {uid}, which is not provisioned"
        if uid == _EXPRESSION and model["expression"] not in letters:
            yield f"query {query['refId']} looks at {model['expression']}, which is none"
        if uid != _EXPRESSION and not model.get("instant"):
            yield f"query {query['refId']} is not instant, so a threshold cannot take it"


def _same_as_prometheus(folder: Path, services: Json) -> Iterator[str]:
    del services
    (ours,) = alert_rules(folder)
    (theirs,) = (rule for rule in alerts() if rule["alert"] == ours["title"])
    queries = {query["refId"]: query["model"] for query in ours["data"]}
    condition = queries.get(ours["condition"], {"conditions": []})
    asked = queries.get(condition.get("expression", ""), {"expr": ""})["expr"]
    limits = [one["evaluator"] for one in condition["conditions"]]
    if [f"{asked} > {limit['params'][0]}" for limit in limits if limit["type"] == "gt"] != [theirs["expr"]]:
        yield "the condition is not that of Prometheus"
    if (ours["for"], ours["keepFiringFor"]) != (theirs["for"], theirs["keep_firing_for"]):
        yield "the times are not those of Prometheus"
    if ours["labels"] != theirs["labels"]:
        yield "the labels are not those of Prometheus"
    if any(ours["annotations"].get(key) != theirs["annotations"][key] for key in ("summary", "runbook_url")):
        yield "the words are not those of Prometheus"


def _contact_points(folder: Path, services: Json) -> Iterator[str]:
    points = provisioned(folder, "alerting/contact-points")["contactPoints"]
    uids = [receiver["uid"] for point in points for receiver in point["receivers"]]
    if len(uids) != len(set(uids)):
        yield "two receivers have the same uid"
    for point in points:
        yield from _unknown("contact point", point)
        if not point["receivers"]:
            yield f"{point['name']} has no receiver, and is then not created"
        for receiver in point["receivers"]:
            yield from _unknown("receiver", receiver)
            settings = receiver["settings"]
            yield from _unknown("webhook", settings)
            if not _is_service(settings["url"], "/alerts", services, service="monitor"):
                yield f"{settings['url']} is not where the monitor takes alerts"
            secret = _SECRET.match(settings["authorization_credentials"])
            secrets = {*services["grafana"]["secrets"]} & {*services["monitor"]["secrets"]}
            if settings["authorization_scheme"] != "Bearer" or secret is None or secret[1] not in secrets:
                yield f"{point['name']} does not send the token of the monitor"


def _policies(folder: Path, services: Json) -> Iterator[str]:
    del services
    points = {point["name"] for point in provisioned(folder, "alerting/contact-points")["contactPoints"]}
    (policy,) = provisioned(folder, "alerting/policies")["policies"]
    for route in _routes(policy):
        yield from _unknown("policy", route)
        if route["receiver"] not in points:
            yield f"there is no contact point {route['receiver']}"
    for rule in alert_rules(folder):
        labels = {"alertname": rule["title"], **rule["labels"]}
        failed = {**labels, "alertname": "DatasourceError"}
        if _receiver(policy, labels) != "retrain":
            yield f"{rule['title']} does not ask for a retraining"
        if _receiver(policy, failed) == "retrain" or _receiver(policy, {"alertname": "Other"}) == "retrain":
            yield "what asks for no retraining is sent as if it did"


def _routes(policy: Json) -> Iterator[Json]:
    yield policy
    for route in policy.get("routes", ()):
        yield from _routes(route)


def _receiver(route: Json, labels: dict[str, Any]) -> str:
    """Where an alert goes first."""
    for inner in route.get("routes", ()):
        if all(_matches(labels.get(name, ""), how, value) for name, how, value in inner["object_matchers"]):
            return _receiver(inner, labels)
    return str(route["receiver"])


def _matches(given: str, how: str, value: str) -> bool:
    same = given == value if how in {"=", "!="} else re.fullmatch(value, given) is not None
    return same != how.startswith("!")


def _is_service(url: str, path: str, services: Json, service: str | None = None) -> bool:
    """Whether a URL is that of a service, at the port on which it is reached."""
    found = re.fullmatch(r"http://([\w-]+):(\d+)(/.*)?", url)
    if found is None or found[1] not in services or service not in {None, found[1]}:
        return False
    ports = [str(port).rsplit(":", 1)[-1] for port in services[found[1]].get("ports", ())]
    return found[2] in ports and (found[3] or "/") == path


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]
