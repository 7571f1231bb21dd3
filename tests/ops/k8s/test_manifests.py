"""Every overlay, alone and with each component, is what Kubernetes takes and what the policies ask for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.ops.documents import documents
from tests.ops.k8s.custom_resources import MODULES, custom, model_complaints, type_complaints
from tests.ops.k8s.generated import RULE_RESOURCE, RULES, SECRETS_TEMPLATE, rule_resource, secrets_template
from tests.ops.k8s.policies import complaints
from tests.ops.k8s.rendered import MANIFESTS, SECRETS, VARIANTS, Rendered, pod_of
from tests.ops.tools import CHECKOUT, OPS, run

#: The version of Kubernetes whose schemas are taken.
KUBERNETES = "1.37"


def schema_errors(text: str, folder: Path) -> list[str]:
    """What the schemas of Kubernetes say of rendered YAML; of custom resources they know nothing."""
    (folder / "rendered.yaml").write_text(text, encoding="utf-8")
    answer = run("kubernetes-validate", "--strict", "-k", KUBERNETES, folder / "rendered.yaml")
    lines = (answer.stdout + answer.stderr).splitlines()
    errors = [
        line
        for line in lines
        if "passed for resource" not in line and not any(f"with api version {api} " in line for api in MODULES)
    ]
    assert (answer.returncode == 0) == (errors == []), lines
    return errors


def lint_errors(folder: Path) -> str:
    """What yamllint says."""
    return run("yamllint", "--strict", "-c", OPS / "yamllint.yml", folder).stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_overlay_fits_the_schemas_of_kubernetes(variant: str, texts: dict[str, str], tmp_path: Path) -> None:
    assert schema_errors(texts[variant], tmp_path) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_overlay_keeps_the_policies(variant: str, rendered: dict[str, Rendered]) -> None:
    assert complaints(rendered[variant]) == []


def test_custom_resources_fit_their_models_and_their_types(rendered: dict[str, Rendered], tmp_path: Path) -> None:
    resources = [resource for variant in ("dev+all", "prod+keda") for resource in custom(rendered[variant])]
    assert {resource["kind"] for resource in resources} == {
        "PrometheusRule",
        "ScaledObject",
        "ServiceMonitor",
        "TriggerAuthentication",
    }
    assert model_complaints(resources, tmp_path) == ""
    assert type_complaints(resources, tmp_path) == ""


def test_every_document_is_of_kubernetes_or_of_a_group_that_is_validated(rendered: dict[str, Rendered]) -> None:
    groups = {document["apiVersion"] for one in rendered.values() for document in one.documents}
    assert groups - set(MODULES) == {"v1", "apps/v1", "policy/v1", "networking.k8s.io/v1"}


def test_what_is_generated_is_not_stale() -> None:
    assert RULE_RESOURCE.read_text(encoding="utf-8") == rule_resource(RULES), "run make k8s-generated"
    assert SECRETS_TEMPLATE.read_text(encoding="utf-8") == secrets_template(), "run make k8s-generated"


def test_the_files_are_well_formed_to_a_reader() -> None:
    assert lint_errors(MANIFESTS) == ""


def test_the_template_has_no_password(tmp_path: Path) -> None:
    secrets = documents(MANIFESTS / SECRETS)
    assert schema_errors((MANIFESTS / SECRETS).read_text(encoding="utf-8"), tmp_path) == []
    values = {key: value for secret in secrets for key, value in secret["stringData"].items()}
    users = values.pop("users.acl").splitlines()
    assert values.pop("keda-username") == "keda"
    assert all("CHANGE-ME" in value for value in values.values())
    assert all(">CHANGE-ME" in user and "#" not in user for user in users[1:])


def test_the_server_for_development_is_the_one_of_compose(rendered: dict[str, Rendered]) -> None:
    (compose,) = documents(CHECKOUT / "docker-compose.yml")
    valkey = rendered["dev"].find("StatefulSet", "valkey")
    assert valkey is not None
    container, there = pod_of(valkey)["containers"][0], compose["services"]["valkey"]
    assert container["image"] == there["image"]
    assert container["resources"]["limits"]["memory"].lower() == f"{there['mem_limit']}i"
    configuration = (CHECKOUT / "compose" / "valkey.conf").read_text(encoding="utf-8").splitlines()
    arguments = container["args"]
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    for name in ("--appendonly", "--appendfsync", "--maxmemory", "--maxmemory-policy"):
        assert f"{name.removeprefix('--')} {options[name]}" in configuration
    assert options["--save"] == ""
    assert 'save ""' in configuration


def test_limits_and_grace_of_compose_are_those_of_kubernetes(rendered: dict[str, Rendered]) -> None:
    (compose,) = documents(CHECKOUT / "docker-compose.yml")
    for service in rendered["dev"].services():
        there, pod = compose["services"][service["metadata"]["name"]], pod_of(service)
        assert f"{there['mem_limit']}i" == pod["containers"][0]["resources"]["limits"]["memory"].lower()
        assert there["stop_grace_period"] == f"{pod['terminationGracePeriodSeconds']}s"


def test_the_image_is_the_version_of_the_project(rendered: dict[str, Rendered]) -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for overlay in ("dev", "prod"):
        for service in rendered[overlay].services():
            assert pod_of(service)["containers"][0]["image"].endswith(f"streamgauge:{version}")


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_no_overlay_applies_the_template(overlay: str, rendered: dict[str, Rendered]) -> None:
    assert rendered[overlay].of("Secret") == []
