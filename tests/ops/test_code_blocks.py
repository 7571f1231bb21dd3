"""Blocks of README and docs for which tests/docs has no program: commands of others, YAML, PromQL, Dockerfiles."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.accounts import RUN_BY_OPS
from tests.docs.code_blocks import SHELLS, Block, Command, blocks_of, pages
from tests.ops.documents import as_yaml, documents
from tests.ops.end_to_end.monitoring import running_alertmanager
from tests.ops.end_to_end.shipped import Addresses
from tests.ops.known_commands import wrong_command
from tests.ops.prometheus.queries import complaint, expressions
from tests.ops.tools import CHECKOUT, program, run
from tests.servers import free_port

#: Programs whose commands cannot run here, or not in tests/docs.
PROGRAMS = ("docker", "kubectl", *RUN_BY_OPS)
_ALERTMANAGER = "http://127.0.0.1:9093"


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages."""
    return [block for page in pages() for block in blocks_of(page) if block.language in languages]


def all_commands(*programs: str) -> list[tuple[str, Command]]:
    """The commands of these programs on all pages, each with its place."""
    return [
        (f"{block.page}:{command.line}", command)
        for block in all_blocks(*SHELLS)
        for command in block.commands()
        if command.program in programs
    ]


def own_words(command: Command) -> list[str]:
    """The words of a command up to the one that it runs in a container, or up to what the shell takes."""
    words = command.words
    end = next((n for n, word in enumerate(words) if word in {"streamgauge", "python", "<", "&", "|"}), len(words))
    return words[:end]


def test_every_command_of_others_exists() -> None:
    found = all_commands(*PROGRAMS)
    assert {command.program for _, command in found} == set(PROGRAMS)
    wrong = [f"{place}: {said}" for place, command in found if (said := wrong_command(own_words(command)))]
    assert wrong == []


def test_every_file_of_the_checkout_that_they_name_is_there() -> None:
    named = {
        (place, path)
        for place, command in all_commands(*PROGRAMS)
        for path in re.findall(r"(?:k8s|observability|compose)/[\w./-]+", command.text)
    }
    assert named
    assert [f"{place}: {path}" for place, path in named if not (CHECKOUT / path).exists()] == []


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shipped Alertmanager, alone; its URL."""
    folder = tmp_path_factory.mktemp("alertmanager")
    token = folder / "token"
    token.write_text("a-token-that-opens-nothing", encoding="utf-8")
    addresses = Addresses({name: f"127.0.0.1:{free_port()}" for name in ("alertmanager", "monitor")}, token)
    with running_alertmanager(folder / "running", addresses) as running:
        yield running.url


def test_commands_of_alertmanager_and_prometheus_run(alertmanager: str) -> None:
    silence = run("amtool", "silence", "add", f"--alertmanager.url={alertmanager}", "--comment=a", "alertname=A")
    assert silence.returncode == 0, silence.stderr
    silenced = 0
    for place, command in all_commands(*RUN_BY_OPS):
        words = [word.replace(_ALERTMANAGER, alertmanager) for word in command.words]
        words = [silence.stdout.strip() if word == "ID" else word for word in words]
        done = run(words[0], *words[1:])
        assert done.returncode == 0, f"{place}: {command.text}\n{done.stdout}{done.stderr}"
        silenced += words[1:3] == ["silence", "add"]
    query = run("amtool", "silence", "query", "-q", f"--alertmanager.url={alertmanager}")
    assert len(query.stdout.split()) == silenced > 0


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=lambda block: block.place)
def test_yaml_is_yaml_and_rules_are_rules(block: Block, tmp_path: Path) -> None:
    (content,) = documents(block.text)
    assert content
    if isinstance(content, list):
        rules = tmp_path / "rules.yml"
        rules.write_text(as_yaml({"groups": [{"name": "shown", "rules": content}]}), encoding="utf-8")
        done = run("promtool", "check", "rules", rules)
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


def test_promql_is_promql(tmp_path: Path) -> None:
    found = [one for block in all_blocks("promql") for one in expressions(block.text)]
    assert found
    assert complaint(found, tmp_path) == ""


@pytest.mark.parametrize("block", all_blocks("dockerfile"), ids=lambda block: block.place)
def test_a_dockerfile_is_one(block: Block) -> None:
    done = subprocess.run(
        [program("hadolint"), "--failure-threshold", "error", "-"],
        input=block.text + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"
