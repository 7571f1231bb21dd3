"""Dockerfile, docker-compose.yml and valkey.conf pass their checks, and broken copies of them do not."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from streamgauge.secrets.folder import write_secrets
from tests.ops.containers.compose_file import resolved
from tests.ops.containers.compose_policy import violations
from tests.ops.containers.dockerfile import copy_context, read_dockerfile
from tests.ops.tools import CHECKOUT, OPS, program, run
from tests.servers import free_port, running, server_program

COMPOSE, DOCKERFILE = CHECKOUT / "docker-compose.yml", CHECKOUT / "Dockerfile"
VALKEY = CHECKOUT / "compose" / "valkey.conf"


def broken(path: Path, folder: Path, before: str, after: str) -> Path:
    """A copy with one edit."""
    text = path.read_text()
    assert before in text, before
    copy = folder / path.name
    copy.write_text(text.replace(before, after, 1))
    return copy


def compose_config(path: Path) -> subprocess.CompletedProcess[str]:
    return run("docker-compose", "-f", path, "--project-directory", CHECKOUT, "--profile", "*", "config", "-q")


def compose_schema(path: Path) -> subprocess.CompletedProcess[str]:
    return run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


def yaml_lint(path: Path) -> subprocess.CompletedProcess[str]:
    return run("yamllint", "--strict", "-c", OPS / "yamllint.yml", path)


def docker_lint(path: Path) -> subprocess.CompletedProcess[str]:
    return run("hadolint", "--failure-threshold", "warning", path)


@pytest.mark.parametrize("check", [compose_config, compose_schema, yaml_lint])
def test_the_compose_file_passes(check: object) -> None:
    assert callable(check)
    done = check(COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr


@pytest.mark.parametrize(
    ("check", "before", "after"),
    [
        (compose_config, "valkey: {condition: service_healthy}", "valkye: {condition: service_healthy}"),
        (compose_config, "secrets: [scorer-url]", "secrets: [scorer-urn]"),
        (compose_config, "- prometheus:/prometheus", "- prometheuz:/prometheus"),
        (compose_config, "<<: *streamgauge", "<<: *streamguage"),
        (compose_schema, "mem_limit: 128m", "mem_limits: 128m"),
        (compose_schema, "cap_drop: [ALL]", "cap_drop: ALL"),
        (compose_schema, "condition: service_healthy", "condition: service_is_healthy"),
        (yaml_lint, "    mem_limit: 128m", "    mem_limit: 128m\n    mem_limit: 128m"),
        (yaml_lint, "services:\n", "services: \n"),
        (yaml_lint, "  scorer:\n", "   scorer:\n"),
    ],
)
def test_a_broken_compose_file_does_not(tmp_path: Path, check: object, before: str, after: str) -> None:
    assert callable(check)
    assert check(broken(COMPOSE, tmp_path, before, after)).returncode != 0


def test_the_compose_file_keeps_to_our_rules() -> None:
    assert violations(resolved(COMPOSE), CHECKOUT) == []


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("valkey/valkey:9.1.2", "valkey/valkey:9.1", "valkey has an image whose tag may move"),
        ("valkey/valkey:9.1.2", "valkey/valkey", "valkey has an image whose tag may move"),
        ("    mem_limit: 256m\n", "", "monitor has no memory limit"),
        ("  read_only: true\n", "", "scorer may write to its image"),
        ("  cap_drop: [ALL]\n", "", "scorer keeps capabilities"),
        ("    command: [python, -m, trainer]\n", "    cap_add: [SYS_ADMIN]\n", "trainer keeps capabilities"),
        ("no-new-privileges:true", "no-new-privileges:false", "scorer may gain privileges"),
        ("    command: [python, -m, scorer]\n", "    privileged: true\n", "scorer is privileged"),
        ('    user: "999:999"\n', "", "valkey runs as root"),
        ("    command: [python, -m, scorer]\n", "    container_name: scorer\n", "scorer has a fixed name"),
        ("networks: [watch]", "networks: [default]", "prometheus is in the default network"),
        ('http://127.0.0.1:9090/-/ready"]\n', 'x"]\n      disable: true\n', "prometheus has no health check"),
        ("127.0.0.1:8001:8001", "8001:8001", "monitor opens a port beyond this machine"),
        (
            "127.0.0.1:${STREAMGAUGE_VALKEY_PORT:-6379}:6379",
            "6379:6379",
            "valkey opens a port beyond this machine",
        ),
        (
            "  pull_policy: never\n",
            "  pull_policy: never\n  build: .\n",
            "streamgauge:0.1.0 is built 5 times, not once",
        ),
        ("    build: .\n", "", "streamgauge:0.1.0 is built 0 times, not once"),
        ("  pull_policy: never\n", "", "monitor is pulled from a registry"),
        ("    stop_grace_period: 120s\n", "", "trainer is killed before an orderly end"),
        ("  stop_grace_period: 45s\n", "", "scorer is killed before an orderly end"),
        ("127.0.0.1::8000", "127.0.0.1:8000:8000", "scorer has one port for several containers"),
        ("max-size: 10m, ", "", "scorer writes logs without an end"),
        (
            "GF_SECURITY_ADMIN_PASSWORD__FILE: /run",
            "GF_SECURITY_ADMIN_PASSWORD: /run",
            "grafana has a secret in its",
        ),
        ("/etc/prometheus:ro", "/etc/prometheus", "prometheus may write to"),
        ("./compose/valkey.conf", "./compose/redis.conf", "redis.conf, which is not there"),
        ("./compose/valkey.conf", "/etc/hostname", "/etc/hostname, which is no part of the project"),
    ],
)
def test_each_rule_is_one(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    found = violations(resolved(broken(COMPOSE, tmp_path, before, after)), CHECKOUT)
    assert [each for each in found if sentence in each], found


def test_every_secret_is_made_by_the_command(tmp_path: Path) -> None:
    write_secrets(tmp_path / "secrets", "default", "valkey")
    file = resolved(COMPOSE, {"STREAMGAUGE_SECRETS": str(tmp_path / "secrets")})
    for secret in file["secrets"].values():
        assert Path(secret["file"]).is_file()
    used = {each["source"] for service in file["services"].values() for each in service.get("secrets", [])}
    assert used == set(file["secrets"])


def test_secrets_stay_out_of_git_and_out_of_the_image(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("core/keys.py", "core/__pycache__/keys.pyc", "secrets/users.acl", "streamgauge/secrets/users.py"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("")
    for name in (".dockerignore", ".gitignore"):
        (checkout / name).write_text((CHECKOUT / name).read_text())
    copy_context(checkout, tmp_path / "context")
    inside = {str(path.relative_to(tmp_path / "context")) for path in (tmp_path / "context").rglob("*.*")}
    assert inside == {"core/keys.py", "streamgauge/secrets/users.py"}
    subprocess.run([program("git"), "init", "-q", checkout], check=True)
    ignored = [
        subprocess.run([program("git"), "-C", checkout, "check-ignore", "-q", name], check=False).returncode
        for name in ("secrets/users.acl", "streamgauge/secrets/users.py")
    ]
    assert ignored == [0, 1]


def test_the_dockerfile_passes() -> None:
    done = docker_lint(DOCKERFILE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM python:3.13.16-slim-trixie AS build", "FROM python AS build"),
        ("FROM python:3.13.16-slim-trixie\n", "FROM python:latest\n"),
        ("WORKDIR /src", "WORKDIR src"),
        (
            "install --no-cache-dir --only-binary :all: --no-deps --require-hashes -r build.lock",
            "install setuptools",
        ),
        ("COPY --from=build", "COPY --from=builder"),
        ('CMD ["python", "-m", "scorer"]', "CMD python -m scorer"),
        ("RUN python -m venv", "RUN cd /opt && python -m venv"),
        ("LABEL", "LABLE"),
    ],
)
def test_a_broken_dockerfile_does_not(tmp_path: Path, before: str, after: str) -> None:
    assert docker_lint(broken(DOCKERFILE, tmp_path, before, after)).returncode != 0


def user_of_image(path: Path) -> int:
    """The user that the image names, by number."""
    return int(read_dockerfile(path)[-1].text("USER").split(":")[0])


def test_the_image_is_pinned_and_names_its_user_by_number(tmp_path: Path) -> None:
    for stage in read_dockerfile(DOCKERFILE):
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", stage.base)
    assert user_of_image(DOCKERFILE) == 10_001
    with pytest.raises(ValueError, match="streamgauge"):
        user_of_image(broken(DOCKERFILE, tmp_path, "USER 10001:10001", "USER streamgauge"))


def start_valkey(configuration: Path, folder: Path) -> None:
    """Let the real server read the file; only paths and port are rewritten."""
    if not (folder / "secrets").exists():
        write_secrets(folder / "secrets", "default", "valkey")
    text = configuration.read_text().replace("dir /data", f"dir {folder}")
    copy = folder / "rewritten.conf"
    copy.write_text(text.replace("/run/secrets/users.acl", str(folder / "secrets" / "users.acl")))
    port = free_port()
    options = (str(copy), "--port", str(port), "--bind", "127.0.0.1")
    with running(folder, *options, program=server_program("valkey")):
        socket.create_connection(("127.0.0.1", port)).close()


def test_the_server_takes_its_file(tmp_path: Path) -> None:
    start_valkey(VALKEY, tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("appendfsync everysec", "appendfsync everysecond"),
        ("maxmemory-policy noeviction", "maxmemory-policy never"),
        ("protected-mode", "protected-mod"),
        ("aclfile /run/secrets/users.acl", "aclfile /run/secrets/user.acl"),
    ],
)
def test_the_server_refuses_a_broken_file(tmp_path: Path, before: str, after: str) -> None:
    with pytest.raises((AssertionError, ConnectionRefusedError)):
        start_valkey(broken(VALKEY, tmp_path, before, after), tmp_path)


def test_the_tools_are_those_of_the_checks() -> None:
    for name in ("docker-compose", "check-jsonschema", "yamllint", "hadolint"):
        assert program(name).exists()
