"""``streamgauge secrets``: a folder that a deployment starts from, made whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.connection import Connection
from core.errors import ServerUnavailable, UsageError
from core.settings import load_settings
from streamgauge.secrets import folder as secrets_folder
from streamgauge.secrets.folder import write_secrets
from streamgauge.secrets.users import USERS, acl_lines
from tests.servers import running_server, server_program

Run = Callable[..., subprocess.CompletedProcess[str]]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
PASSWORDS = ("keda-password", "healthcheck-password", "alerts-token", "grafana-password")
FILES = {
    "users.acl",
    "keda-username",
    *PASSWORDS,
    *(f"{user.name}-url" for user in USERS if user.name not in {"keda", "healthcheck"}),
}


def assert_nothing_left(parent: Path, *expected: str) -> None:
    assert sorted(path.name for path in parent.iterdir()) == sorted(expected)


def test_the_page_shows_the_users_of_the_code_and_no_others() -> None:
    (block,) = re.findall(r"```acl\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    expected = acl_lines("raisin", {user.name: ">CHANGE-ME" for user in USERS})
    assert block.splitlines() == expected  # where they differ: streamgauge/secrets/users.py is the source


def test_the_page_says_whom_each_user_is_for() -> None:
    table = PAGE.read_text(encoding="utf-8").split("| user | for |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z-]+)`", "".join(row.split("|")[1] for row in table.splitlines() if row)))
    assert named == {user.name for user in USERS}


def test_the_command_writes_every_file_and_says_which(run: Run, tmp_path: Path) -> None:
    answer = run("secrets", "secrets", "--pipeline", "wine")
    assert answer.returncode == 0, answer.stderr
    names = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert names == FILES
    assert all(name in answer.stdout.replace("\n", " ") for name in names)
    assert "{wine}" in (tmp_path / "secrets" / "users.acl").read_text()


def test_the_command_takes_the_pipeline_of_the_settings(run: Run, tmp_path: Path) -> None:
    (tmp_path / "streamgauge.toml").write_text('pipeline = "grape"\n')
    assert run("secrets", "secrets").returncode == 0
    assert "{grape:*}" in (tmp_path / "secrets" / "users.acl").read_text()


def test_its_owner_alone_enters_and_a_container_reads_what_is_mounted(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_secrets(tmp_path / "secrets", "wine", "valkey")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o644}


def test_no_two_secrets_are_alike_and_none_ends_in_a_newline(tmp_path: Path) -> None:
    found = set()
    for name in ("one", "two"):
        write_secrets(tmp_path / name, "wine", "valkey")
        found |= {(tmp_path / name / file).read_text() for file in PASSWORDS}
        found |= {urlsplit(url.read_text()).password or "" for url in (tmp_path / name).glob("*-url")}
    assert len(found) == 2 * (len(FILES) - 2)
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in found)


def test_the_acl_file_holds_no_password(tmp_path: Path) -> None:
    write_secrets(tmp_path / "secrets", "wine", "valkey")
    acl = (tmp_path / "secrets" / "users.acl").read_text()
    for url in (tmp_path / "secrets").glob("*-url"):
        parts = urlsplit(url.read_text())
        assert parts.password is not None
        assert parts.password not in acl
        assert f"user {parts.username} on #{hashlib.sha256(parts.password.encode()).hexdigest()} " in acl


def test_what_is_in_use_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    assert run("secrets", "secrets").returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    answer = run("secrets", "secrets")
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "not empty" in answer.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == before
    assert_nothing_left(tmp_path, "secrets")


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home" / "letter").write_text("dear")
    with pytest.raises(UsageError, match="not empty"):
        write_secrets(tmp_path / "home", "wine", "valkey")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o755
    assert_nothing_left(tmp_path / "home", "letter")


def test_an_empty_folder_is_taken_and_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)
    write_secrets(tmp_path / "secrets", "wine", "valkey")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = secrets_folder._write
    written: list[Path] = []

    def full_disk(path: Path, text: str) -> None:
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, text)

    monkeypatch.setattr(secrets_folder, "_write", full_disk)
    with pytest.raises(UsageError, match="No space left"):
        write_secrets(tmp_path / "secrets", "wine", "valkey")
    assert len(written) == 5
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be_a_folder_is_one_sentence(run: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    answer = run("secrets", place)
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1
    assert_nothing_left(tmp_path, "file")


@pytest.mark.parametrize(
    "host", ["", "a b", "me@valkey", "valkey/0", "valkey:", "valkey:0", "valkey:65536", "::1"]
)
def test_a_host_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        write_secrets(tmp_path / "secrets", "wine", host)
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("host", "address"),
    [("valkey", "valkey:6379"), ("redis.example:6380", "redis.example:6380"), ("[::1]:7000", "[::1]:7000")],
)
def test_a_host_may_have_a_port(tmp_path: Path, host: str, address: str) -> None:
    write_secrets(tmp_path / "secrets", "wine", host)
    url = (tmp_path / "secrets" / "scorer-url").read_text()
    assert url.endswith(f"@{address}/0")
    load_settings({"redis_url": url}, environment={}, directory=tmp_path)


@pytest.mark.parametrize("pipeline", ["a{b", "", "a b"])
def test_a_pipeline_that_has_no_keys_has_no_users(tmp_path: Path, pipeline: str) -> None:
    with pytest.raises(Exception, match="pipeline"):
        write_secrets(tmp_path / "secrets", pipeline, "valkey")
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("program", ["valkey", "redis"])
def test_a_server_takes_the_file_and_lets_in_whoever_has_a_url(tmp_path: Path, program: str) -> None:
    folder = tmp_path / "secrets"
    users = folder / "users.acl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets_folder, "DEFAULT_PORT", 1)
        write_secrets(folder, "wine", "127.0.0.1")
    with running_server(server_program(program), tmp_path, "--aclfile", str(users)) as port:
        for url in folder.glob("*-url"):
            with Connection(url.read_text().replace(":1/0", f":{port}/0")) as connection:
                assert connection.call("PING") == b"PONG"
        password = (folder / "healthcheck-password").read_text()
        with Connection(f"redis://healthcheck:{password}@127.0.0.1:{port}/0") as connection:
            assert connection.call("PING") == b"PONG"
        with Connection(f"redis://127.0.0.1:{port}/0") as connection, pytest.raises(ServerUnavailable):
            connection.require()
