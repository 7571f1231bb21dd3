"""Each check fails on a copy of the manifests that one edit has broken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ops.k8s.custom_resources import custom, model_complaints, type_complaints
from tests.ops.k8s.generated import RULE_RESOURCE, RULES, rule_resource
from tests.ops.k8s.policies import complaints
from tests.ops.k8s.rendered import copy_of_manifests, edit, render, rendered_text
from tests.ops.k8s.test_manifests import lint_errors, schema_errors


class Break(NamedTuple):
    """An edit of one file, and what must be said of it."""

    variant: str
    file: str
    old: str
    new: str
    complaint: str


POD, SCORER, MONITOR = "base/pod.yaml", "base/scorer.yaml", "base/monitor.yaml"
TRAINER, BASE = "base/trainer.yaml", "base/kustomization.yaml"
VALKEY, SCALED = "components/valkey/valkey.yaml", "components/keda/scaled-object.yaml"
SCRAPED, NETWORK = "components/monitoring/service-monitor.yaml", "components/network-policies/policies.yaml"
RULE, PROD_KEDA = "components/monitoring/prometheus-rule.yaml", "overlays/prod/keda-triggers.yaml"
SECRETS = "secrets.template.yaml"

BREAKS = [
    Break("dev", POD, "runAsNonRoot: true", "runAsNonRoot: false", "runs as root"),
    Break("dev", VALKEY, "runAsNonRoot: true", "runAsNonRoot: false", "StatefulSet/valkey: runs as root"),
    Break("dev", POD, "type: RuntimeDefault", "type: Unconfined", "no seccomp profile"),
    Break("dev", POD, "automountServiceAccountToken: false", "hostIPC: false", "has a service account token"),
    Break("dev", POD, "enableServiceLinks: false", "enableServiceLinks: true", "enableServiceLinks is not false"),
    Break("dev", POD, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "root file system may be"),
    Break("dev", POD, "drop: [ALL]", "drop: [NET_RAW]", "keeps capabilities"),
    Break("dev", POD, "allowPrivilegeEscalation: false", "privileged: false", "may gain privileges"),
    Break("dev", POD, "mountPath: /tmp", "mountPath: /temporary", "nothing is mounted on /tmp"),
    Break("dev", POD, "sizeLimit: 64Mi", "medium: Memory", "no bounded emptyDir"),
    Break("dev", POD, "path: /readyz", "path: /healthz", "readinessProbe does not ask /readyz"),
    Break("dev", POD, "path: /healthz", "path: /readyz", "livenessProbe does not ask /healthz"),
    Break("dev", POD, "failureThreshold: 60", "failureThreshold: 3", "too little time to start"),
    Break("dev", VALKEY, "livenessProbe", "aliveProbe", "a probe is missing"),
    Break("dev", SCORER, "Seconds: 45", "Seconds: 10", "less than an end may take"),
    Break("dev", TRAINER, "failureThreshold: 60", "failureThreshold: 6", "ends it while it works"),
    Break("dev", SCORER, '"5"', '"0"', "stops while requests are still sent"),
    Break("dev", SCORER, "Seconds: 45", "Seconds: 33", "leaves too little time"),
    Break("dev", SCORER, "memory: 128Mi", "memory: 64Mi", "resources are not"),
    Break(
        "dev",
        MONITOR,
        '            limits:\n              cpu: "1"\n',
        "            limits:\n",
        "limits are missing",
    ),
    Break("dev", SCORER, "ScheduleAnyway", "DoNotSchedule", "may keep a pod from starting"),
    Break("dev", SCORER, "maxUnavailable: 0", "maxUnavailable: 1", "takes a scorer away"),
    Break(
        "dev",
        SCORER,
        "spec:\n  selector:\n    matchLabels",
        "spec:\n  replicas: 2\n  selector:\n    matchLabels",
        "has replicas, which takes back",
    ),
    Break("dev", MONITOR, "type: Recreate", "type: RollingUpdate", "monitor: is no singleton"),
    Break("dev", TRAINER, "replicas: 1", "replicas: 2", "trainer: is no singleton"),
    Break("dev", "overlays/dev/kustomization.yaml", "newTag: 0.1.0", "newTag: latest", "is not pinned"),
    Break("dev", BASE, "namespace: streamgauge\n", "namespace: elsewhere\n", "is not in the namespace"),
    Break("dev", "base/namespace.yaml", "restricted", "privileged", "lets unrestricted pods in"),
    Break("dev", BASE, "app.kubernetes.io/part-of", "app.kubernetes.io/version", "not labelled part-of"),
    Break(
        "dev",
        SCORER,
        "  selector:\n    app.kubernetes.io/name: scorer",
        "  selector:\n    app: scorer",
        "Service/scorer: does not select",
    ),
    Break("dev", TRAINER, "targetPort: http", "targetPort: web", "Service/trainer: port web is none of"),
    Break("dev", MONITOR, "port: 8001\n      targetPort", "port: 80\n      targetPort", "listens on 80"),
    Break(
        "dev",
        MONITOR,
        "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: monitor",
        "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: watcher",
        "PodDisruptionBudget/monitor: does not select",
    ),
    Break("dev", VALKEY, "maxUnavailable: 1", "minAvailable: 1", "PodDisruptionBudget/valkey: maxUnavailable"),
    Break("dev", TRAINER, "claimName: miniflow", "claimName: runs", "no PersistentVolumeClaim runs"),
    Break("dev", TRAINER, "key: trainer-url", "key: trainer", "no key trainer of Secret streamgauge-redis"),
    Break("dev", SECRETS, "  scorer-url:", "  scorer:", "no key scorer-url of Secret streamgauge-redis"),
    Break("dev", SECRETS, "  users.acl: |", "  acl: |", "no key users.acl of Secret valkey-acl"),
    Break(
        "dev", TRAINER, "value: /var/lib/streamgauge/miniflow", "value: /tmp/miniflow", "is on no claimed volume"
    ),
    Break("dev", BASE, "STREAMGAUGE_LOG_LEVEL", "STREAMGAUGE_LOGLEVEL", "unknown setting 'loglevel'"),
    Break("dev", BASE, "PARTITIONS=1", "PARTITIONS=none", "setting 'partitions'"),
    Break("dev", BASE, "HTTP_HOST=0.0.0.0", "HTTP_HOST=127.0.0.1", "where no probe reaches it"),
    Break("dev", MONITOR, "STREAMGAUGE_ALERTS_TOKEN_FILE", "STREAMGAUGE_ALERT_TOKEN_FILE", "names no setting"),
    Break(
        "dev", POD, "value: /run/secrets/streamgauge/redis-url", "value: /run/secrets/url", "no secret is mounted"
    ),
    Break("dev", SCORER, "python, -m, scorer", "python, -m, scorers", "its command is not python -m scorer"),
    Break("dev", TRAINER, "containerPort: 8002", "containerPort: 8000", "its port is not http, 8002"),
    Break("dev+keda", SCALED, "{default:0}", "{default}", "the scorers' streams ask for"),
    Break("dev+keda", BASE, "PARTITIONS=1", "PARTITIONS=2", "the scorers' streams ask for"),
    Break("dev+keda", BASE, "PIPELINE=default", "PIPELINE=raisin", "the scorers' streams ask for"),
    Break("dev+keda", SCALED, "consumerGroup: scorers", "consumerGroup: scorer", "is not the scorers'"),
    Break(
        "dev+keda", SCALED, 'pendingEntriesCount: "5000"', 'pendingEntriesCount: "500"', "one busy scorer holds"
    ),
    Break("dev+keda", SCALED, 'activationLagCount: "0"', 'activationLagCount: "1"', "activationLagCount is not 0"),
    Break("dev+keda", SCALED, "minReplicaCount: 1", "minReplicaCount: 0", "minReplicaCount is not 1"),
    Break("dev+keda", SCALED, "lagCount:", "lagcount:", "metadata that it does not read"),
    Break(
        "dev+keda", SCALED, "address: valkey.streamgauge.svc.cluster.local", "address: valkey", "another namespace"
    ),
    Break("dev+keda", SCALED, "key: keda-password", "key: password", "there is no key password"),
    Break(
        "dev+keda",
        SCALED,
        "  name: streamgauge-redis\n  namespace",
        "  name: redis\n  namespace",
        "there is no TriggerAuthentication",
    ),
    Break(
        "dev+keda",
        SCORER,
        "spec:\n  selector:\n    matchLabels",
        "spec:\n  replicas: 2\n  selector:\n    matchLabels",
        "has replicas beside an autoscaler",
    ),
    Break("prod+keda", PROD_KEDA, 'enableTLS: "true"', 'enableTLS: "false"', "without TLS"),
    Break("prod+keda", PROD_KEDA, "{default:0}", "{default:1}", "the scorers' streams ask for"),
    Break("prod", SCRAPED, "[scorer, monitor, trainer]", "[scorer, monitor]", "scrapes"),
    Break("prod", SCRAPED, "jobLabel: app.kubernetes.io/name", "jobLabel: app", "the job would not be"),
    Break("prod", SCRAPED, "port: http", "port: metrics", "has no port metrics"),
    Break("prod", SCRAPED, "path: /metrics", "path: /", "is not what is scraped"),
    Break("prod", RULE, "severity: warning", "severity: page", "the rules are not those of"),
    Break(
        "dev+network-policies",
        NETWORK,
        "k8s-app: kube-dns",
        "k8s-app: coredns",
        "scorer cannot reach DNS on 53/UDP",
    ),
    Break("dev+network-policies", NETWORK, "port: 6379", "port: 6380", "trainer cannot reach valkey"),
    Break("dev+network-policies", NETWORK, "name: prometheus", "name: scraper", "Prometheus cannot reach monitor"),
    Break(
        "dev+network-policies",
        NETWORK,
        "[alertmanager, grafana]",
        "[grafana]",
        "Alertmanager cannot reach monitor",
    ),
    Break("dev+network-policies", NETWORK, "streamgauge/predict", "predict", "a client cannot reach scorer"),
    Break("dev+network-policies", NETWORK, "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]", "reaches"),
    Break(
        "dev+network-policies",
        NETWORK,
        "        - namespaceSelector:\n            matchLabels:\n"
        "              kubernetes.io/metadata.name: monitoring\n          podSelector",
        "        - namespaceSelector: {}\n          podSelector",
        "a stranger reaches scorer",
    ),
    Break(
        "prod", "overlays/prod/redis-addresses.yaml", "10.0.0.0/8", "192.168.0.0/16", "scorer cannot reach Redis"
    ),
    Break("prod", "overlays/prod/redis-addresses.yaml", "10.0.0.0/8", "0.0.0.0/0", "scorer reaches the internet"),
    Break("dev", VALKEY, "app: keda-operator", "app: keda", "KEDA cannot reach valkey"),
    Break("dev", VALKEY, "policyTypes: [Ingress]", "policyTypes: [Egress]", "a stranger reaches valkey"),
]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.file}: {broken.new[:40]!r}")
def test_a_policy_that_is_broken_is_named(broken: Break, tmp_path: Path) -> None:
    manifests = copy_of_manifests(tmp_path)
    edit(manifests / broken.file, broken.old, broken.new)
    found = complaints(render(manifests, broken.variant))
    assert any(re.search(broken.complaint, complaint) for complaint in found), found


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (POD, "runAsNonRoot", "runAsNonroot"),
        (SCORER, "whenUnsatisfiable", "whenUnsatisfied"),
        (SCORER, "containerPort: 8000", "containerPort: http"),
        (MONITOR, "maxUnavailable: 1", "maxUnavailable: true"),
        (TRAINER, "accessModes: [ReadWriteOnce]", "accessMode: ReadWriteOnce"),
        (VALKEY, "serviceName: valkey", "servicename: valkey"),
        (NETWORK, "policyTypes: [Ingress, Egress]", "policyType: Ingress"),
    ],
)
def test_the_schemas_of_kubernetes_find_a_typo(file: str, old: str, new: str, tmp_path: Path) -> None:
    manifests = copy_of_manifests(tmp_path)
    edit(manifests / file, old, new)
    assert schema_errors(rendered_text(manifests, "dev+network-policies"), tmp_path) != []


def broken_resources(tmp_path: Path, file: str, old: str, new: str) -> list[dict[str, object]]:
    manifests = copy_of_manifests(tmp_path)
    edit(manifests / file, old, new)
    return custom(render(manifests, "dev+all"))


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        (SCALED, 'lagCount: "10000"', "lagCount: 10000", "lagCount"),
        (SCALED, "  scaleTargetRef:\n    name: scorer\n", "", "scaleTargetRef"),
        (SCRAPED, "  endpoints:", "  endpoint:", "endpoints"),
        (RULE, "  groups:", "  groups: none\n  others:", "groups"),
        (SCALED, "kind: TriggerAuthentication", "kind: TriggerAuth", "nothing here knows"),
    ],
)
def test_the_models_of_custom_resources_find_types_and_missing_fields(
    file: str, old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    assert complaint in model_complaints(broken_resources(tmp_path, file, old, new), tmp_path)


def test_the_types_of_custom_resources_find_misspelt_fields(tmp_path: Path) -> None:
    manifests = copy_of_manifests(tmp_path)
    edit(manifests / SCALED, "minReplicaCount", "minReplicas")
    edit(manifests / SCALED, "secretTargetRef:", "secretTargetRefs:")
    edit(manifests / SCRAPED, "jobLabel", "joblabel")
    edit(manifests / RULE, "alert: StreamgaugeDrift", "alarm: StreamgaugeDrift")
    found = type_complaints(custom(render(manifests, "dev+all")), tmp_path)
    for field in ("minReplicas", "secretTargetRefs", "joblabel", "alarm"):
        assert f'"{field}"' in found, found


def test_a_rule_that_is_changed_makes_the_resource_stale(tmp_path: Path) -> None:
    rules = tmp_path / RULES.name
    rules.write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
    edit(rules, "severity: warning", "severity: page")
    assert RULE_RESOURCE.read_text(encoding="utf-8") != rule_resource(rules)


def test_yaml_that_a_reader_would_stumble_over_is_found(tmp_path: Path) -> None:
    manifests = copy_of_manifests(tmp_path)
    edit(manifests / SCORER, "    type: RollingUpdate\n", "    type: RollingUpdate\n    type: Recreate\n")
    assert "duplication of key" in lint_errors(manifests)


def test_a_component_that_is_missing_cannot_be_rendered(tmp_path: Path) -> None:
    manifests = copy_of_manifests(tmp_path)
    edit(manifests / "overlays/dev/kustomization.yaml", "components/valkey", "components/redis")
    with pytest.raises(AssertionError, match="redis"):
        rendered_text(manifests, "dev")
