"""Each service under its user of docs/security.md: enough for its whole life, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.connection import Connection
from core.errors import ServerUnavailable, StreamgaugeError
from core.keys import PipelineKeys
from producer.client import Producer
from producer.durability import Durability
from tests.security.acl_users import ADMIN, PAGE, users_on_page, write_acl_file
from tests.security.command_record import CommandRecord
from tests.security.story import PASSWORD, PIPELINE, Story, play
from tests.servers import running_server, server_program

#: Servers let anybody log in; no permission names it.
_FREE = {"auth"}


def test_each_user_may_do_what_its_service_ever_does_and_nothing_else(any_program: str, tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    write_acl_file(users, PIPELINE, PASSWORD)
    with running_server(any_program, tmp_path, "--aclfile", str(users), "--appendonly", "yes") as port:
        record = CommandRecord(port, ADMIN, PASSWORD)
        story = Story(port, tmp_path, record)
        try:
            play(story)
            assert story.denials() == ["viewer: command config|get"]  # by doctor; the page says why
        finally:
            done = record.finish()
            story.admin.close()
    assert {user: sorted(commands - _FREE) for user, commands in done.items()} == {
        user.name: sorted(user.commands) for user in users_on_page().values()
    }


def test_the_default_user_of_the_page_is_off(any_program: str, tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    write_acl_file(users, PIPELINE, PASSWORD)
    with (
        running_server(any_program, tmp_path, "--aclfile", str(users)) as port,
        Connection(f"redis://127.0.0.1:{port}/0") as connection,
        pytest.raises(ServerUnavailable, match="no Redis answers"),
    ):
        connection.require()


@pytest.mark.parametrize(
    ("user", "tail", "durability", "rule"),
    [
        ("producer", "/0", "fsync", "+waitaof"),
        ("scorer", "/1", "server", "+select"),
        ("viewer", "/0?client_name=screen", "server", "+client|setname"),
    ],
)
def test_what_the_page_says_is_needed_for_more_is_needed_and_enough(
    tmp_path: Path, user: str, tail: str, durability: Durability, rule: str
) -> None:
    assert f"`{rule}`" in PAGE.read_text(encoding="utf-8")
    acl_file = tmp_path / "users.acl"
    write_acl_file(acl_file, PIPELINE, PASSWORD)
    options = ("--aclfile", str(acl_file), "--appendonly", "yes")
    with (
        running_server(server_program("valkey"), tmp_path, *options) as port,
        Connection(f"redis://{ADMIN}:{PASSWORD}@127.0.0.1:{port}/0") as admin,
    ):
        url = f"redis://{user}:{PASSWORD}@127.0.0.1:{port}{tail}"

        def work() -> None:
            if user == "producer":
                with Producer(url, PIPELINE, durability=durability) as producer:
                    producer.send({"a": 1.0})
            else:
                with Connection(url).require() as connection:
                    connection.call("HGETALL", PipelineKeys(PIPELINE).config)

        with pytest.raises(StreamgaugeError, match=rule.removeprefix("+").replace("|", r"\|")):
            work()
        admin.call("ACL", "SETUSER", user, rule)
        work()
