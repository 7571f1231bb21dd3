"""The shipped configuration of Prometheus and Alertmanager, with other addresses and a tenth of the times."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ops.documents import as_yaml, documents
from tests.ops.tools import CHECKOUT

SHIPPED = CHECKOUT / "observability"
#: Keys whose value is a duration. Those inside expressions stay.
_TIMES = frozenset(
    {
        *("scrape_interval", "scrape_timeout", "evaluation_interval", "interval", "for", "keep_firing_for"),
        *("group_wait", "group_interval", "repeat_interval"),
    }
)
#: So much shorter, so that a test takes no quarter of an hour; nothing but milliseconds is lost.
_SHORTER = 10
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True)
class Addresses:
    """Where things are on this machine: ``host:port`` by the name of the service, and the token's file."""

    services: Mapping[str, str]
    token_file: Path


def prometheus_configuration(folder: Path, addresses: Addresses) -> Path:
    """``prometheus.yml`` and its rules in ``folder``; the path of the first."""
    (loaded,) = documents(SHIPPED / "prometheus" / "prometheus.yml")
    configuration = _quicker(loaded)
    for job in configuration["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [addresses.services[job["job_name"]]]}]
    for manager in configuration["alerting"]["alertmanagers"]:
        manager["static_configs"] = [{"targets": [addresses.services["alertmanager"]]}]
    rules = folder / "rules"
    rules.mkdir(parents=True)
    for path in sorted((SHIPPED / "prometheus" / "rules").glob("*.yml")):
        (rules / path.name).write_text(as_yaml(*map(_quicker, documents(path))), encoding="utf-8")
    return _written(folder / "prometheus.yml", configuration)


def alertmanager_configuration(folder: Path, addresses: Addresses) -> Path:
    """``alertmanager.yml`` in ``folder``; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (loaded,) = documents(SHIPPED / "alertmanager" / "alertmanager.yml")
    configuration = _quicker(loaded)
    hooks = [hook for receiver in configuration["receivers"] for hook in receiver.get("webhook_configs", ())]
    assert [hook["url"] for hook in hooks] == ["http://monitor:8001/alerts"]
    for hook in hooks:
        hook["url"] = hook["url"].replace("monitor:8001", addresses.services["monitor"])
        hook["http_config"]["authorization"]["credentials_file"] = str(addresses.token_file)
    for template in configuration.get("templates", ()):
        shutil.copy(SHIPPED / "alertmanager" / template, folder)
    return _written(folder / "alertmanager.yml", configuration)


def _quicker(value: Any) -> Any:
    """The same document with every duration shortened."""
    if isinstance(value, dict):
        return {
            name: _shorter(part) if name in _TIMES and isinstance(part, str) else _quicker(part)
            for name, part in value.items()
        }
    return [_quicker(part) for part in value] if isinstance(value, list) else value


def _shorter(duration: str) -> str:
    parts = re.findall(r"(\d+)(ms|[smhd])", duration)
    assert "".join(number + unit for number, unit in parts) == duration, duration
    return f"{sum(int(number) * _MS[unit] for number, unit in parts) // _SHORTER}ms"


def _written(path: Path, configuration: Any) -> Path:
    path.write_text(as_yaml(configuration), encoding="utf-8")
    return path
