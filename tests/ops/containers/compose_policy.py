"""What docker-compose.yml must keep to, beyond what its schema asks for."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from tests.ops.k8s.pod_policy import LEAST_END_S

#: ``name:1.2.3`` or ``name:v1.2.3``, with or without a variant: never a tag that moves.
_EXACT = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?")
#: Services that end by themselves and listen nowhere.
ONE_SHOT = {"seed", "producer"}
#: May be started more than once.
SCALED = {"scorer"}
#: Of our own image, built here and pulled from nowhere.
_OURS = "streamgauge:"
#: A trainer finishes the training that runs.
_LEAST_END_S = {"trainer": 120}


def violations(file: dict[str, Any], checkout: Path) -> list[str]:
    """Everything that is wrong with a resolved file, a sentence each."""
    wrong = [sentence for name, service in file["services"].items() for sentence in _of_service(name, service)]
    for name, service in file["services"].items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind" and not Path(mount["source"]).exists():
                wrong.append(f"{name} mounts {mount['source']}, which is not there")
            if mount["type"] == "bind" and not mount.get("read_only"):
                wrong.append(f"{name} may write to {mount['source']}")
            if mount["type"] == "bind" and checkout not in Path(mount["source"]).parents:
                wrong.append(f"{name} mounts {mount['source']}, which is no part of the project")
    built = Counter(service["image"] for service in file["services"].values() if "build" in service)
    wrong += [
        f"{image} is built {built[image]} times, not once: two builds at a time cannot both write it"
        for image in {service["image"] for service in file["services"].values()}
        if built[image] != image.startswith(_OURS)
    ]
    wrong += [f"secret {name} is not from a file" for name, each in file["secrets"].items() if "file" not in each]
    return wrong


def _of_service(name: str, service: dict[str, Any]) -> list[str]:
    ours = service["image"].startswith(_OURS)
    rules = {
        "has an image whose tag may move": _EXACT.fullmatch(service["image"]),
        "has no memory limit": service.get("mem_limit"),
        "may write to its image": service.get("read_only"),
        "keeps capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
        "may gain privileges": "no-new-privileges:true" in service.get("security_opt", []),
        "is privileged": not service.get("privileged") and service.get("network_mode") is None,
        "runs as root": ours or not service.get("user", "0").startswith("0"),
        "is pulled from a registry": not ours or service.get("pull_policy") == "never",
        "is killed before an orderly end": not ours
        or _seconds(service.get("stop_grace_period", "10s")) >= _LEAST_END_S.get(name, LEAST_END_S),
        "has a fixed name": "container_name" not in service,
        "is in the default network": "default" not in service["networks"],
        "has no health check": name in ONE_SHOT
        or ours
        or (service.get("healthcheck", {}).get("test") and not service["healthcheck"].get("disable")),
        "is checked although it ends": name not in ONE_SHOT or service["healthcheck"].get("disable"),
        "opens a port beyond this machine": all(
            each.get("host_ip") == "127.0.0.1" for each in service.get("ports", [])
        ),
        "has one port for several containers": name not in SCALED
        or not [each for each in service.get("ports", []) if each.get("published")],
        "writes logs without an end": service.get("logging", {}).get("options", {}).get("max-size"),
        "has a secret in its environment": not [
            each
            for each in service.get("environment", {})
            if re.search("URL|TOKEN|PASSWORD|SECRET", each) and not each.endswith("_FILE")
        ],
    }
    return [f"{name} {what}" for what, kept in rules.items() if not kept]


def _seconds(text: str) -> float:
    """A duration as compose resolves it: ``1m30s``."""
    units = {"h": 3_600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))
