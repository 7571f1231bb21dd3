"""What documents name must be there: selected pods, ports, ConfigMaps, Secrets and their keys, volumes, claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from tests.ops.k8s.rendered import Rendered, containers, labels_of, name_of, pod_of, selects


def link_complaints(rendered: Rendered) -> Iterator[str]:
    """Everything that names what is not there."""
    for workload in rendered.workloads():
        yield from _own_pods(workload)
        yield from _volumes(rendered, workload)
    for service in rendered.of("Service"):
        yield from _service(rendered, service)
    for budget in rendered.of("PodDisruptionBudget"):
        yield from _budget(rendered, budget)
    without = {workload["metadata"]["name"] for workload in rendered.workloads()} - {
        budget["metadata"]["name"] for budget in rendered.of("PodDisruptionBudget")
    }
    if without:
        yield f"no PodDisruptionBudget for {', '.join(sorted(without))}"
    for name, container in containers(rendered):
        yield from _container(rendered, name, container)


def pods(rendered: Rendered, selector: dict[str, Any]) -> list[dict[str, Any]]:
    """The workloads whose pods a selector takes."""
    return [workload for workload in rendered.workloads() if selects(selector, labels_of(workload))]


def ports(workload: dict[str, Any]) -> set[str | int]:
    """The container ports of a workload's pod, by name and by number."""
    return {
        port[key]
        for container in pod_of(workload)["containers"]
        for port in container.get("ports", [])
        for key in ("name", "containerPort")
    }


def _own_pods(workload: dict[str, Any]) -> Iterator[str]:
    selector = workload["spec"]["selector"]
    if not selector.get("matchLabels") or not selects(selector, labels_of(workload)):
        yield f"{name_of(workload)}: its selector does not take its own pods"
    if labels_of(workload).get("app.kubernetes.io/name") != workload["metadata"]["name"]:
        yield f"{name_of(workload)}: its pods are not labelled with its name"


def _service(rendered: Rendered, service: dict[str, Any]) -> Iterator[str]:
    taken = pods(rendered, {"matchLabels": service["spec"]["selector"]})
    if [workload["metadata"]["name"] for workload in taken] != [service["metadata"]["name"]]:
        yield f"{name_of(service)}: does not select the pods of its name alone"
    for port in service["spec"]["ports"]:
        for workload in taken:
            if port["targetPort"] not in ports(workload):
                yield f"{name_of(service)}: port {port['targetPort']} is none of {name_of(workload)}"
            if port["port"] not in ports(workload):
                yield f"{name_of(service)}: listens on {port['port']}, its pods do not"


def _budget(rendered: Rendered, budget: dict[str, Any]) -> Iterator[str]:
    if len(pods(rendered, budget["spec"]["selector"])) != 1:
        yield f"{name_of(budget)}: does not select the pods of one workload"
    if budget["spec"].get("maxUnavailable") != 1 or "minAvailable" in budget["spec"]:
        yield f"{name_of(budget)}: maxUnavailable is not 1"


def _volumes(rendered: Rendered, workload: dict[str, Any]) -> Iterator[str]:
    pod = pod_of(workload)
    claimed = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    there = {volume["name"] for volume in pod["volumes"]} | claimed
    mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    for name in sorted(there ^ mounted):
        what = "not mounted" if name in there else "mounted and not there"
        yield f"{name_of(workload)}: volume {name} is {what}"
    for volume in pod["volumes"]:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and rendered.find("PersistentVolumeClaim", claim) is None:
            yield f"{name_of(workload)}: there is no PersistentVolumeClaim {claim}"
        for secret, key, _ in secret_files(volume):
            if (secret, key) not in rendered.secret_keys():
                yield f"{name_of(workload)}: the template has no key {key} of Secret {secret}"


def secret_files(volume: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(Secret, key, path) of the files that a volume names; of a whole Secret, none."""
    sources = [volume["secret"] | {"name": volume["secret"]["secretName"]}] if "secret" in volume else []
    sources += [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
    for source in sources:
        for item in source.get("items", []):
            yield source["name"], item["key"], item["path"]


def mounted_files(pod: dict[str, Any], container: dict[str, Any]) -> set[str]:
    """Paths of the secret files in a container."""
    folders = {mount["name"]: PurePosixPath(mount["mountPath"]) for mount in container["volumeMounts"]}
    return {
        str(folders[volume["name"]] / path)
        for volume in pod["volumes"]
        if volume["name"] in folders
        for _, _, path in secret_files(volume)
    }


def _container(rendered: Rendered, name: str, container: dict[str, Any]) -> Iterator[str]:
    for source in container.get("envFrom", []):
        if rendered.find("ConfigMap", source["configMapRef"]["name"]) is None:
            yield f"{name}: there is no ConfigMap {source['configMapRef']['name']}"
    named = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for kind in ("httpGet", "tcpSocket"):
            asked = container.get(probe, {}).get(kind)
            if asked is not None and asked["port"] not in named:
                yield f"{name}: {probe} asks port {asked['port']}, which is none of its ports"
