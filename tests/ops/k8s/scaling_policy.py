"""KEDA must look at the streams and the group that the scorers read, and nothing may work against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.errors import SettingsError
from core.keys import SCORERS
from core.read_size import MAX_ENTRIES
from tests.ops.k8s.rendered import Rendered, name_of
from tests.ops.k8s.setting_policy import settings_of

#: A busy scorer holds a read, and may have sent for the next one.
READS_HELD = 2
_MODES = ("lagCount", "pendingEntriesCount")
#: What the redis-streams trigger reads of its metadata and we use; a map of any texts to every schema.
_METADATA = {"address", "enableTLS", "stream", "consumerGroup", "activationLagCount", *_MODES}


def scaling_complaints(rendered: Rendered) -> Iterator[str]:
    """Everything that is wrong with the autoscaling, where there is some."""
    for scaled in rendered.of("ScaledObject"):
        yield from _scaled(rendered, scaled)
    for authentication in rendered.of("TriggerAuthentication"):
        references = authentication["spec"]["secretTargetRef"]
        if {reference["parameter"] for reference in references} != {"username", "password"}:
            yield f"{name_of(authentication)}: does not give username and password"
        for reference in references:
            if (reference["name"], reference["key"]) not in rendered.secret_keys():
                yield f"{name_of(authentication)}: there is no key {reference['key']} of {reference['name']}"


def _scaled(rendered: Rendered, scaled: dict[str, Any]) -> Iterator[str]:
    name, spec = name_of(scaled), scaled["spec"]
    target = rendered.find("Deployment", spec["scaleTargetRef"]["name"])
    if target is None:
        yield f"{name}: there is no Deployment {spec['scaleTargetRef']['name']}"
        return
    if "replicas" in target["spec"]:
        yield f"{name}: {name_of(target)} has replicas beside an autoscaler"
    if not 1 == spec.get("minReplicaCount") < spec.get("maxReplicaCount", 0):
        yield f"{name}: minReplicaCount is not 1, or not below maxReplicaCount"
    try:
        settings = settings_of(rendered, target)
    except SettingsError:
        return  # said elsewhere
    partitions = settings.keys.partitions(settings.partitions or 1, settings.tags)
    expected = sorted((partition.records, mode) for partition in partitions for mode in _MODES)
    found = sorted((trigger["metadata"].get("stream"), _mode(trigger)) for trigger in spec["triggers"])
    if found != expected:
        yield f"{name}: the triggers are {found}, and the scorers' streams ask for {expected}"
    for trigger in spec["triggers"]:
        yield from _trigger(rendered, name, trigger)


def _mode(trigger: dict[str, Any]) -> str:
    return " and ".join(mode for mode in _MODES if mode in trigger["metadata"])


def _trigger(rendered: Rendered, name: str, trigger: dict[str, Any]) -> Iterator[str]:
    metadata = trigger["metadata"]
    if trigger["type"] != "redis-streams" or set(metadata) - _METADATA:
        yield f"{name}: a trigger of another type, or with metadata that it does not read"
    if metadata.get("consumerGroup") != SCORERS:
        yield f"{name}: group {metadata.get('consumerGroup')} is not the scorers'"
    if "lagCount" in metadata and metadata.get("activationLagCount") != "0":
        yield f"{name}: activationLagCount is not 0"
    if "pendingEntriesCount" in metadata and int(metadata["pendingEntriesCount"]) <= READS_HELD * MAX_ENTRIES:
        yield f"{name}: pendingEntriesCount is no more than one busy scorer holds, so work would ask for scorers"
    authentication = trigger.get("authenticationRef", {}).get("name", "")
    if rendered.find("TriggerAuthentication", authentication) is None:
        yield f"{name}: there is no TriggerAuthentication {authentication!r}"
    host = metadata.get("address", "").rpartition(":")[0]
    own = rendered.find("Service", "valkey") is not None
    if own and host != "valkey.streamgauge.svc.cluster.local":
        yield f"{name}: address {host!r} is not Valkey's, as another namespace finds it"
    if not own and (metadata.get("enableTLS") != "true" or "." not in host):
        yield f"{name}: a server outside the cluster is asked without TLS, or by no full name"
