"""The real Prometheus and Alertmanager as processes, asked over their APIs."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.ops.end_to_end.shipped import Addresses, alertmanager_configuration, prometheus_configuration
from tests.ops.tools import program
from tests.servers import running

Json = Any


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def query(self, expression: str) -> list[Json]:
        """The samples that an expression gives now; a scalar as one."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        answer = _ask(f"{self.url}/api/v1/query", data, "application/x-www-form-urlencoded")["data"]
        return [answer["result"]] if answer["resultType"] in {"scalar", "string"} else list(answer["result"])

    def jobs_up(self) -> set[str]:
        """Jobs all targets of which were scraped well."""
        targets = _ask(f"{self.url}/api/v1/targets?state=active")["data"]["activeTargets"]
        jobs = {target["labels"]["job"] for target in targets}
        return jobs - {target["labels"]["job"] for target in targets if target["health"] != "up"}

    def alert_state(self, name: str) -> str:
        """``firing``, ``pending`` or ``inactive``."""
        states = [each["state"] for each in self._alerts() if each["labels"]["alertname"] == name]
        return "firing" if "firing" in states else "pending" if "pending" in states else "inactive"

    def faults(self) -> list[str]:
        """Rules that could not be evaluated, with the error."""
        groups = _ask(f"{self.url}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"]

    def _alerts(self) -> list[Json]:
        return list(_ask(f"{self.url}/api/v1/alerts")["data"]["alerts"])


@dataclass(frozen=True)
class Alertmanager:
    """One that runs."""

    url: str

    def active(self, name: str) -> list[Json]:
        """Alerts of a name that are firing."""
        alerts = _ask(f"{self.url}/api/v2/alerts?active=true")
        return [alert for alert in alerts if alert["labels"]["alertname"] == name]

    def post(self, labels: dict[str, str], summary: str, *, ended: bool = False) -> None:
        """An alert by hand, as a program of one's own would send it."""
        now = datetime.now(UTC)
        ends = now if ended else now + timedelta(hours=1)
        alert = {"labels": labels, "annotations": {"summary": summary}, "endsAt": ends.isoformat()}
        _ask(f"{self.url}/api/v2/alerts", json.dumps([alert]).encode())

    def failed(self) -> float:
        """Webhook notifications that it gave up, as its own metric has it."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:  # noqa: S310  (our own process)
            lines = answer.read().decode().splitlines()
        name = 'alertmanager_notifications_failed_total{integration="webhook"'
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@contextmanager
def running_prometheus(folder: Path, addresses: Addresses) -> Iterator[Prometheus]:
    """Prometheus with the shipped configuration."""
    address = addresses.services["prometheus"]
    options = (
        f"--config.file={prometheus_configuration(folder, addresses)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    ready = "Server is ready to receive web requests"
    with running(folder, *options, ready=ready, program=str(program("prometheus"))):
        yield Prometheus(f"http://{address}")


@contextmanager
def running_alertmanager(folder: Path, addresses: Addresses) -> Iterator[Alertmanager]:
    """Alertmanager with the shipped configuration, alone: no cluster."""
    address = addresses.services["alertmanager"]
    options: Sequence[str] = (
        f"--config.file={alertmanager_configuration(folder, addresses)}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    )
    with running(folder, *options, ready="Listening on", program=str(program("prometheus-alertmanager"))):
        yield Alertmanager(f"http://{address}")


def _ask(url: str, data: bytes | None = None, content_type: str = "application/json") -> Json:
    request = urllib.request.Request(url, data=data, headers={"Content-Type": content_type})  # noqa: S310  (as above)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  (as above)
        text = answer.read()
    return json.loads(text) if text else None
