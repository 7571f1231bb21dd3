"""docs/operations/kubernetes.md: its commands make the Secrets that are mounted, and its paths are there."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from streamgauge.secrets.folder import write_secrets
from tests.ops.documents import documents
from tests.ops.k8s.rendered import MANIFESTS, SECRETS, Rendered, pod_of
from tests.ops.tools import CHECKOUT, program, run

PAGE = CHECKOUT / "docs" / "operations" / "kubernetes.md"


def commands(starting_with: str) -> list[list[str]]:
    """The commands of the page's console blocks that begin so, as words."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(starting_with)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The Secrets that the page's commands make of the folder that its first command writes, by name and key."""
    folder = tmp_path_factory.mktemp("install") / "secrets"
    write_secrets(folder, "default", "valkey")
    secrets = {}
    for words in commands("kubectl -n streamgauge create secret"):
        there = [re.sub(r"=secrets/", f"={folder}/", word) for word in words[1:]]
        answer = run("kubectl", *there, "--dry-run=client", "--output=yaml")
        assert answer.returncode == 0, answer.stderr
        (secret,) = documents(answer.stdout)
        secrets[secret["metadata"]["name"]] = {
            key: base64.b64decode(value).decode() for key, value in secret["data"].items()
        }
    return secrets


def test_the_commands_make_the_secrets_of_the_template(made: dict[str, dict[str, str]]) -> None:
    template = {secret["metadata"]["name"]: set(secret["stringData"]) for secret in documents(MANIFESTS / SECRETS)}
    assert {name: set(values) for name, values in made.items()} == template


def test_the_urls_of_the_secrets_name_the_service_that_the_manifests_make(
    made: dict[str, dict[str, str]], rendered: dict[str, Rendered]
) -> None:
    for key, url in made["streamgauge-redis"].items():
        if key.endswith("-url"):
            host, port = re.fullmatch(r"redis://\w+:\w+@(\w+):(\d+)/0", url).groups()  # type: ignore[union-attr]
            service = rendered["dev"].find("Service", host)
            assert service is not None
            assert [one["port"] for one in service["spec"]["ports"]] == [int(port)]


def test_the_urls_for_production_are_over_tls_and_name_the_certificate_that_is_mounted(
    tmp_path: Path, rendered: dict[str, Rendered]
) -> None:
    write_secrets(tmp_path / "secrets", "default", "redis.example:6380")
    for words in commands("sed -i"):
        subprocess.run([program("bash"), "-c", " ".join(map(_word, words))], cwd=tmp_path, check=True)
    mount = mounts_of(rendered["prod+private-ca"])
    for name in ("scorer", "monitor", "trainer"):
        url = (tmp_path / "secrets" / f"{name}-url").read_text(encoding="utf-8")
        assert re.fullmatch(rf"rediss://{name}:\w+@redis\.example:6380/0\?ssl_ca_certs={mount}/ca\.crt", url)
    operator = (tmp_path / "secrets" / "operator-url").read_text(encoding="utf-8")
    assert re.fullmatch(r"rediss://operator:\w+@redis\.example:6380/0", operator)


def _word(word: str) -> str:
    """A word of a command for a shell, which is to find the files that a star stands for."""
    return word if word.endswith("*-url") else shlex.quote(word)


def mounts_of(rendered: Rendered) -> str:
    """Where all services have the ConfigMap that the page makes."""
    places = set()
    for service in rendered.services():
        pod = pod_of(service)
        (volume,) = [volume for volume in pod["volumes"] if "configMap" in volume]
        assert commands("kubectl -n streamgauge create configmap")[0][5:] == ["redis-ca", "--from-file=ca.crt"]
        assert volume["configMap"] == {"name": "redis-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        places |= {
            mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]
        }
    (place,) = places
    return str(place)


@pytest.mark.parametrize("words", commands("kubectl apply"), ids=" ".join)
def test_what_the_page_applies_is_there(words: list[str]) -> None:
    assert (CHECKOUT / words[-1]).exists()


def test_what_the_page_scales_and_waits_for_is_there(rendered: dict[str, Rendered]) -> None:
    for words in commands("kubectl -n streamgauge scale") + commands("kubectl -n streamgauge rollout"):
        kind, name = next(word for word in words if "/" in word).split("/")
        there = {"deployment": "Deployment", "statefulset": "StatefulSet"}[kind]
        assert rendered["dev"].find(there, name) is not None
    for words in commands("kubectl -n streamgauge annotate"):
        assert words[4:6] == ["scaledobject", "scorer"]
        assert rendered["dev+keda"].find("ScaledObject", "scorer") is not None


def test_each_folder_of_the_table_is_there_and_no_other() -> None:
    named = set(re.findall(r"^\| `([a-z./-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    there = {"base", SECRETS}
    there |= {
        str(path.relative_to(MANIFESTS))
        for kind in ("components", "overlays")
        for path in (MANIFESTS / kind).iterdir()
    }
    assert named == there


def test_links_of_the_page_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / Path(link)).exists(), link
