"""NetworkPolicies: who may reach whom, worked out as the API defines it, against who must and who must not.

A connection needs the sender's egress and the receiver's ingress. A pod that no policy of a direction selects is
open in that direction; otherwise one rule of one of those policies must allow the peer and the port.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.ops.k8s.rendered import Rendered, labels_of, pod_of, selects

_NAME = "app.kubernetes.io/name"


@dataclass(frozen=True)
class Peer:
    """A pod, in the namespace of ours or in another one, or an address outside the cluster."""

    called: str
    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = "streamgauge"
    namespace_labels: dict[str, str] = field(default_factory=dict)
    address: str = ""
    named_ports: dict[str, int] = field(default_factory=dict)


DNS = Peer("DNS", {"k8s-app": "kube-dns"}, "kube-system")
PROMETHEUS = Peer("Prometheus", {_NAME: "prometheus"}, "monitoring")
ALERTMANAGER = Peer("Alertmanager", {_NAME: "alertmanager"}, "monitoring")
GRAFANA = Peer("Grafana", {_NAME: "grafana"}, "monitoring")
KEDA = Peer("KEDA", {"app": "keda-operator"}, "keda")
CLIENT = Peer("a client", {}, "shop", {"streamgauge/predict": "allowed"})
STRANGER = Peer("a stranger", {_NAME: "prometheus"}, "shop")
OTHER = Peer("another pod")
INTERNET = Peer("the internet", address="203.0.113.7")
REDIS = Peer("Redis", address="10.1.2.3")


def network_complaints(rendered: Rendered) -> Iterator[str]:
    """Connections that must be possible and are not, or the other way round."""
    policies = rendered.of("NetworkPolicy")
    denied = any(policy["metadata"]["name"] == "default-deny" for policy in policies)
    ours = {workload["metadata"]["name"]: _peer(workload) for workload in rendered.workloads()}
    for sender, receiver, port, protocol in _needed(ours):
        if not allowed(policies, sender, receiver, port, protocol):
            yield f"{sender.called} cannot reach {receiver.called} on {port}/{protocol}"
    if "valkey" in ours and allowed(policies, STRANGER, ours["valkey"], 6379, "TCP"):
        yield "a stranger reaches valkey"
    if not denied:
        return
    for sender, receiver, port, protocol in _unwanted(ours):
        if allowed(policies, sender, receiver, port, protocol):
            yield f"{sender.called} reaches {receiver.called} on {port}/{protocol}"


def _peer(workload: dict[str, Any]) -> Peer:
    named = {port["name"]: port["containerPort"] for port in pod_of(workload)["containers"][0]["ports"]}
    return Peer(workload["metadata"]["name"], labels_of(workload), named_ports=named)


def _needed(ours: dict[str, Peer]) -> Iterator[tuple[Peer, Peer, int, str]]:
    server = ours.get("valkey", REDIS)
    for name, port in (("scorer", 8000), ("monitor", 8001), ("trainer", 8002)):
        yield ours[name], server, 6379, "TCP"
        yield ours[name], DNS, 53, "UDP"
        yield ours[name], DNS, 53, "TCP"
        yield PROMETHEUS, ours[name], port, "TCP"
    yield ALERTMANAGER, ours["monitor"], 8001, "TCP"
    yield GRAFANA, ours["monitor"], 8001, "TCP"
    yield CLIENT, ours["scorer"], 8000, "TCP"
    if "valkey" in ours:
        yield KEDA, ours["valkey"], 6379, "TCP"


def _unwanted(ours: dict[str, Peer]) -> Iterator[tuple[Peer, Peer, int, str]]:
    for name, port in (("scorer", 8000), ("monitor", 8001), ("trainer", 8002)):
        yield STRANGER, ours[name], port, "TCP"
        yield INTERNET, ours[name], port, "TCP"
        yield ours[name], INTERNET, 443, "TCP"
        yield ours[name], INTERNET, 6379, "TCP"
        yield PROMETHEUS, ours[name], 22, "TCP"
    yield OTHER, INTERNET, 443, "TCP"
    yield STRANGER, OTHER, 80, "TCP"
    yield CLIENT, ours["monitor"], 8001, "TCP"
    yield ALERTMANAGER, ours["trainer"], 8002, "TCP"
    yield ours["scorer"], ours["monitor"], 8001, "TCP"


def allowed(policies: list[dict[str, Any]], sender: Peer, receiver: Peer, port: int, protocol: str) -> bool:
    """Whether a connection is possible."""
    outwards = _direction(policies, sender, receiver, "Egress", receiver, port, protocol)
    return outwards and _direction(policies, receiver, sender, "Ingress", receiver, port, protocol)


def _direction(
    policies: list[dict[str, Any]], pod: Peer, other: Peer, way: str, receiver: Peer, port: int, protocol: str
) -> bool:
    """Whether what selects ``pod`` lets it speak with ``other`` in one direction."""
    if pod.namespace != "streamgauge" or pod.address:
        return True
    mine = [
        policy["spec"]
        for policy in policies
        if way in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod.labels)
    ]
    side = "to" if way == "Egress" else "from"
    return not mine or any(
        _is_peer(rule.get(side), other) and _is_port(rule.get("ports"), receiver, port, protocol)
        for spec in mine
        for rule in spec.get(way.lower(), [])
    )


def _is_peer(wanted: list[dict[str, Any]] | None, peer: Peer) -> bool:
    return wanted is None or any(_is_one(one, peer) for one in wanted)


def _is_one(wanted: dict[str, Any], peer: Peer) -> bool:
    if "ipBlock" in wanted:
        return bool(peer.address) and ip_address(peer.address) in ip_network(wanted["ipBlock"]["cidr"])
    if peer.address or not selects(wanted.get("podSelector", {}), peer.labels):
        return False
    if "namespaceSelector" not in wanted:
        return peer.namespace == "streamgauge"
    labels = {"kubernetes.io/metadata.name": peer.namespace, **peer.namespace_labels}
    return selects(wanted["namespaceSelector"], labels)


def _is_port(wanted: list[dict[str, Any]] | None, receiver: Peer, port: int, protocol: str) -> bool:
    return wanted is None or any(
        receiver.named_ports.get(one["port"], one["port"]) == port and one.get("protocol", "TCP") == protocol
        for one in wanted
    )
