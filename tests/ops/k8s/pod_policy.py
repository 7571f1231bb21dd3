"""What every pod must have: the security context, probes, resources and an end that OPS asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.http import CLOSE_S
from tests.ops.k8s.rendered import Rendered, containers, labels_of, name_of, pod_of, selects

#: Resources that OPS fixes for a scorer; its memory is a limit, too.
SCORER_REQUESTS = {"cpu": "100m", "memory": "128Mi"}
#: A start takes seconds on a whole core, so ten times that on a tenth of one.
LEAST_START_S = 60
#: A server that hangs is given up after 15 s: by the step that runs, and by leaving the group.
LEAST_END_S = 2 * 15 + CLOSE_S
#: How long a service may be silent: a training took 68 s on a core, and may have a tenth of one.
LEAST_PATIENCE_S = {"trainer": 600}
#: Until every node has heard that a pod takes no more requests.
LEAVE_S = 5
#: Of our own services two are one pod each.
SINGLETONS = ("monitor", "trainer")


def pod_complaints(rendered: Rendered) -> Iterator[str]:
    """Everything that is wrong with the pods."""
    for workload in rendered.workloads():
        yield from _pod(name_of(workload), pod_of(workload))
    for name, container in containers(rendered):
        yield from _container(name, container)
        yield from _resources(name, container.get("resources", {}))
    for service in rendered.services():
        yield from _probes(name_of(service), pod_of(service)["containers"][0])
        yield from _patience(service)
        yield from _replicas(service)
    yield from _scorer(rendered)
    yield from _namespace(rendered)


def _pod(name: str, pod: dict[str, Any]) -> Iterator[str]:
    security = pod.get("securityContext", {})
    if not security.get("runAsNonRoot") or not security.get("runAsUser") or not security.get("fsGroup"):
        yield f"{name}: runs as root, or may not write its volumes"
    if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield f"{name}: no seccomp profile RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{name}: has a service account token"
    if pod.get("enableServiceLinks") is not False:
        yield f"{name}: enableServiceLinks is not false"
    if pod.get("terminationGracePeriodSeconds", 30) < LEAST_END_S:
        yield f"{name}: terminationGracePeriodSeconds is less than an end may take"
    if {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}} not in pod.get("volumes", []):
        yield f"{name}: no bounded emptyDir for /tmp"


def _container(name: str, container: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: may gain privileges"
    if security.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: the root file system may be written"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{name}: keeps capabilities"
    if not any(mount == {"name": "tmp", "mountPath": "/tmp"} for mount in container["volumeMounts"]):  # noqa: S108
        yield f"{name}: nothing is mounted on /tmp"  # in the container, where the root cannot be written
    _, _, tag = container["image"].rpartition(":")
    if not tag[:1].isdigit():
        yield f"{name}: image {container['image']} is not pinned to a version"
    if not {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container):
        yield f"{name}: a probe is missing"


def _resources(name: str, resources: dict[str, Any]) -> Iterator[str]:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not {"cpu", "memory"} <= set(requests) or not {"cpu", "memory"} <= set(limits):
        yield f"{name}: requests or limits are missing"


def _probes(name: str, container: dict[str, Any]) -> Iterator[str]:
    alive, ready = ({"path": path, "port": "http"} for path in ("/healthz", "/readyz"))
    for probe, request in (("startupProbe", alive), ("livenessProbe", alive), ("readinessProbe", ready)):
        if container.get(probe, {}).get("httpGet") != request:
            yield f"{name}: {probe} does not ask {request['path']}"
    start = container.get("startupProbe", {})
    if start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < LEAST_START_S:
        yield f"{name}: startupProbe gives too little time to start"


def _patience(service: dict[str, Any]) -> Iterator[str]:
    name = service["metadata"]["name"]
    probe = pod_of(service)["containers"][0].get("livenessProbe", {})
    if probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3) < LEAST_PATIENCE_S.get(name, 60):
        yield f"Deployment/{name}: livenessProbe ends it while it works"


def _replicas(service: dict[str, Any]) -> Iterator[str]:
    name, spec = service["metadata"]["name"], service["spec"]
    if name in SINGLETONS:
        if spec.get("replicas") != 1 or spec.get("strategy") != {"type": "Recreate"}:
            yield f"Deployment/{name}: is no singleton: one replica, and strategy Recreate"
    elif "replicas" in spec:
        yield f"Deployment/{name}: has replicas, which takes back what kubectl scale or an autoscaler set"


def _scorer(rendered: Rendered) -> Iterator[str]:
    scorer = rendered.find("Deployment", "scorer")
    if scorer is None:
        yield "Deployment/scorer: is missing"
        return
    resources = pod_of(scorer)["containers"][0]["resources"]
    if resources["requests"] != SCORER_REQUESTS or resources["limits"]["memory"] != SCORER_REQUESTS["memory"]:
        yield f"Deployment/scorer: resources are not {SCORER_REQUESTS}"
    if scorer["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
        yield "Deployment/scorer: an update takes a scorer away before there is another"
    stop = pod_of(scorer)["containers"][0].get("lifecycle", {}).get("preStop", {})
    if stop != {"exec": {"command": ["sleep", str(LEAVE_S)]}}:
        yield "Deployment/scorer: stops while requests are still sent to it"
    if pod_of(scorer).get("terminationGracePeriodSeconds", 30) < LEAVE_S + LEAST_END_S:
        yield "Deployment/scorer: the wait before its stop leaves too little time for it"
    spread = pod_of(scorer).get("topologySpreadConstraints", [])
    if {constraint["topologyKey"] for constraint in spread} != {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }:
        yield "Deployment/scorer: does not spread over zones and nodes"
    for constraint in spread:
        if constraint["whenUnsatisfiable"] != "ScheduleAnyway":
            yield "Deployment/scorer: a spread constraint may keep a pod from starting"
        if not selects(constraint["labelSelector"], labels_of(scorer)):
            yield "Deployment/scorer: a spread constraint counts other pods"


def _namespace(rendered: Rendered) -> Iterator[str]:
    for document in rendered.documents:
        metadata = document["metadata"]
        if document["kind"] == "Namespace":
            if metadata["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
                yield "Namespace: lets unrestricted pods in"
        elif metadata.get("namespace") != "streamgauge":
            yield f"{name_of(document)}: is not in the namespace streamgauge"
        if metadata.get("labels", {}).get("app.kubernetes.io/part-of") != "streamgauge":
            yield f"{name_of(document)}: is not labelled part-of streamgauge"
