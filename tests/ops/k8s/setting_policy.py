"""The environment of each service must be settings that it takes, and its command and port those of the code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.environment import ENVIRONMENT_PREFIX, FILE_SUFFIX
from core.errors import SettingsError
from core.settings import Settings, load_settings
from monitor.service import DEFAULT_HTTP_PORT as MONITOR_PORT
from scorer.service import DEFAULT_HTTP_PORT as SCORER_PORT
from tests.ops.k8s.link_policy import mounted_files
from tests.ops.k8s.rendered import Rendered, name_of, pod_of
from trainer.service import DEFAULT_HTTP_PORT as TRAINER_PORT

PORTS = {"scorer": SCORER_PORT, "monitor": MONITOR_PORT, "trainer": TRAINER_PORT}


def setting_complaints(rendered: Rendered) -> Iterator[str]:
    """Everything that a service would refuse, or that would leave it unreachable."""
    if {service["metadata"]["name"] for service in rendered.services()} != set(PORTS):
        yield f"the services are not {', '.join(PORTS)}"
        return
    for service in rendered.services():
        yield from _service(rendered, service)


def environment(rendered: Rendered, service: dict[str, Any]) -> dict[str, str]:
    """The variables of a service's container."""
    container = pod_of(service)["containers"][0]
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        settings = rendered.find("ConfigMap", source["configMapRef"]["name"])
        variables |= settings["data"] if settings is not None else {}
    return variables | {variable["name"]: variable["value"] for variable in container.get("env", [])}


def settings_of(rendered: Rendered, service: dict[str, Any]) -> Settings:
    """What a service makes of its variables, those from files left out. Raises SettingsError."""
    variables = environment(rendered, service)
    plain = {name: value for name, value in variables.items() if not name.endswith(FILE_SUFFIX)}
    with tempfile.TemporaryDirectory() as empty:
        return load_settings({}, plain, Path(empty))


def _service(rendered: Rendered, service: dict[str, Any]) -> Iterator[str]:
    name, short = name_of(service), service["metadata"]["name"]
    container = pod_of(service)["containers"][0]
    if container["command"] != ["python", "-m", short] or find_spec(f"{short}.__main__") is None:
        yield f"{name}: its command is not python -m {short}"
    if container["ports"] != [{"name": "http", "containerPort": PORTS[short]}]:
        yield f"{name}: its port is not http, {PORTS[short]}"
    variables = environment(rendered, service)
    for variable in variables:
        if not variable.startswith(ENVIRONMENT_PREFIX):
            yield f"{name}: {variable} is no variable of ours"
    files = {variable: path for variable, path in variables.items() if variable.endswith(FILE_SUFFIX)}
    for variable, path in files.items():
        if variable.removesuffix(FILE_SUFFIX).removeprefix(ENVIRONMENT_PREFIX).lower() not in _NAMES:
            yield f"{name}: {variable} names no setting"
        if path not in mounted_files(pod_of(service), container):
            yield f"{name}: {variable} names {path}, where no secret is mounted"
    needed = {"STREAMGAUGE_REDIS_URL_FILE"} | ({"STREAMGAUGE_ALERTS_TOKEN_FILE"} if short == "monitor" else set())
    if not needed <= set(files):
        yield f"{name}: {', '.join(sorted(needed - set(files)))} is not set"
    try:
        settings = settings_of(rendered, service)
    except SettingsError as error:
        yield f"{name}: {error}"
        return
    if settings.http_host != "0.0.0.0":  # noqa: S104  (a pod's own address)
        yield f"{name}: listens on {settings.http_host}, where no probe reaches it"
    if short == "trainer" and settings.miniflow not in _claimed(pod_of(service)):
        yield f"{name}: {settings.miniflow} is on no claimed volume"


def _claimed(pod: dict[str, Any]) -> set[str]:
    """Where claimed volumes are mounted."""
    claimed = {volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}
    return {
        mount["mountPath"]
        for container in pod["containers"]
        for mount in container["volumeMounts"]
        if mount["name"] in claimed
    }


_NAMES = set(Settings.__struct_fields__)
