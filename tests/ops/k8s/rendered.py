"""Overlays as kubectl renders them, from the checkout or from a copy that a test has broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ops.documents import documents
from tests.ops.tools import CHECKOUT, run

MANIFESTS = CHECKOUT / "k8s"
#: Overlays with the components that are added to them, one in each test: what people may apply.
VARIANTS = {
    "dev": ("dev", ()),
    "dev+keda": ("dev", ("keda",)),
    "dev+monitoring": ("dev", ("monitoring",)),
    "dev+network-policies": ("dev", ("network-policies",)),
    "dev+all": ("dev", ("keda", "monitoring", "network-policies")),
    "prod": ("prod", ()),
    "prod+keda": ("prod", ("keda",)),
    "prod+private-ca": ("prod", ("private-ca",)),
}
SECRETS = "secrets.template.yaml"


@dataclass(frozen=True)
class Rendered:
    """The documents of one overlay, and of the template of the Secrets beside it."""

    documents: list[dict[str, Any]]
    secrets: list[dict[str, Any]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """All documents of some kinds."""
        return [document for document in self.documents if document["kind"] in kinds]

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """The document of that kind and name."""
        return next((found for found in self.of(kind) if found["metadata"]["name"] == name), None)

    def workloads(self) -> list[dict[str, Any]]:
        """What makes pods."""
        return self.of("Deployment", "StatefulSet")

    def services(self) -> list[dict[str, Any]]:
        """The Deployments of our own services."""
        return self.of("Deployment")

    def secret_keys(self) -> set[tuple[str, str]]:
        """(Secret, key) of the template."""
        return {(secret["metadata"]["name"], key) for secret in self.secrets for key in secret["stringData"]}


def name_of(document: dict[str, Any]) -> str:
    """``Kind/name``, for complaints."""
    return f"{document['kind']}/{document['metadata']['name']}"


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod's spec."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def labels_of(workload: dict[str, Any]) -> dict[str, str]:
    """The pod's labels."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(rendered: Rendered) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each container, with what to call it."""
    for workload in rendered.workloads():
        for container in pod_of(workload)["containers"]:
            yield f"{name_of(workload)} {container['name']}", container


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector (matchLabels, and matchExpressions with In) takes these labels."""
    wanted = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        wanted = wanted and labels.get(expression["key"]) in expression["values"]
    return wanted


def copy_of_manifests(folder: Path) -> Path:
    """A copy of k8s/ to break."""
    return Path(shutil.copytree(MANIFESTS, folder / "k8s"))


def edit(file: Path, old: str, new: str) -> None:
    """Put ``new`` in the place of each ``old``, of which there must be one at least."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file.name}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def rendered_text(manifests: Path, variant: str) -> str:
    """The YAML of a variant; components are added to the overlay's own list, as the docs say."""
    overlay, components = VARIANTS[variant]
    if components:
        added = "".join(f"  - ../../components/{component}\n" for component in components)
        edit(manifests / "overlays" / overlay / "kustomization.yaml", "components:\n", f"components:\n{added}")
    answer = run("kubectl", "kustomize", manifests / "overlays" / overlay)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def render(manifests: Path, variant: str) -> Rendered:
    """A variant of ``manifests``, which is changed."""
    return Rendered(documents(rendered_text(manifests, variant)), documents(manifests / SECRETS))
