"""What Alertmanager and Grafana post, and posting it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

TOKEN = "an-alerts-token-of-a-test"  # noqa: S105  (it opens nothing)
#: Long before and long after any promotion of a test.
LONG_AGO_S, FAR_AHEAD_S = 1_000_000_000, 4_000_000_000

Json = dict[str, Any]


def an_alert(
    fingerprint: str = "a1b2c3d4e5f60718",
    *,
    status: str = "firing",
    started_s: float = FAR_AHEAD_S,
    summary: str = "It drifts.",
    **labels: str,
) -> Json:
    """One alert as both senders write it; ``action`` is ``retrain`` unless said."""
    labels = {"alertname": "StreamgaugeDrift", "action": "retrain", "severity": "warning"} | labels
    starts_at = datetime.fromtimestamp(started_s, UTC).isoformat().replace("+00:00", "Z")
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": summary, "runbook_url": "https://example.org/drift"},
        "startsAt": starts_at,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": fingerprint,
    }


def notification(alerts: Sequence[Json], **changes: Any) -> Json:
    """Alertmanager's body of version 4."""
    return {
        "version": "4",
        "groupKey": '{}/{action="retrain"}:{pipeline="default"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "retrain",
        "groupLabels": {"pipeline": "default"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
    } | changes


def grafana_notification(alerts: Sequence[Json], **changes: Any) -> Json:
    """Grafana's body: an organisation, values by alert, and words for people."""
    more: Json = {"silenceURL": "http://grafana:3000/alerting/silence/new", "dashboardURL": "", "panelURL": ""}
    told = [
        alert | more | {"values": {"A": 1, "B": None}, "valueString": "[ var='A' value=1 ]"} for alert in alerts
    ]
    words = {"orgId": 1, "title": "[FIRING:1] drift", "state": "alerting", "message": "**Firing**"}
    return notification(told, version="1", **words) | changes


def post_alerts(
    url: str,
    body: Json | bytes,
    token: str | None = TOKEN,
    content_type: str = "application/json",
    scheme: str = "Bearer",
) -> tuple[int, Json]:
    """Post to a monitor; status and answer."""
    headers = {"Content-Type": content_type}
    if token is not None:
        headers["Authorization"] = f"{scheme} {token}"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/alerts", data=data, headers=headers)  # noqa: S310  (our own service)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  (as above)
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
