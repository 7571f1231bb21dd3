"""A permission that is taken away: nothing is lost or doubled, it is said, and giving it back is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams
from tests.security.acl_users import ADMIN, write_acl_file
from tests.security.servers import running_server

PIPELINE, PASSWORD = "wine", "correct-horse"
#: What a scorer needs to answer a record, by command and by the key pattern of an output.
COMMIT = ("evalsha", "xclaim", "type", "xdel", "time", "xack", "xadd")
READ = ("xreadgroup", "xpending")


@pytest.fixture
def admin(any_program: str, tmp_path: Path, model_file: ModelFile) -> Iterator[Connection]:
    """A server with the users of the page and a model in production."""
    users = tmp_path / "users.acl"
    write_acl_file(users, PIPELINE, PASSWORD)
    with (
        running_server(any_program, tmp_path, "--aclfile", str(users)) as port,
        Connection(f"redis://{ADMIN}:{PASSWORD}@127.0.0.1:{port}/0") as connection,
    ):
        RedisRegistry(connection, PipelineKeys(PIPELINE)).promote("0123456789ab", model_file, 0, "first")
        yield connection


def test_a_scorer_without_a_permission_keeps_every_record_and_goes_on_once_it_is_given_back(
    admin: Connection,
) -> None:
    streams = Streams(admin, PipelineKeys(PIPELINE))
    url = admin.url.replace(ADMIN, "scorer", 1)
    options = {"STREAMGAUGE_REDIS_URL": url, "STREAMGAUGE_PIPELINE": PIPELINE, "STREAMGAUGE_LOG_LEVEL": "warning"}
    scorer = Scorer("--takeover-idle-ms", "200", environment=options)
    try:
        scorer.ready()
        added = set()
        for command in (*READ, *COMMIT):
            admin.call("ACL", "SETUSER", "scorer", f"-{command}")
            if command in COMMIT:
                added.add(streams.add("a", 1, "b", 2))
            said = scorer.logged("waiting")["error"]
            assert "docs/security.md" in said, command
            if command in READ:  # a read that waits already may still get its record
                added.add(streams.add("a", 1, "b", 2))
            check_open(streams, added, command)
            admin.call("ACL", "SETUSER", "scorer", f"+{command}")
            streams.await_results(added)
            check_answered_once(streams, added)
        admin.call("ACL", "SETUSER", "scorer", "resetkeys", "~sg:{wine:*}:records", "%R~sg:{wine}:*")
        added.add(streams.add("a", 1, "b", 2))
        assert "docs/security.md" in scorer.logged("waiting")["error"]
        check_open(streams, added, "the key of predictions")
        admin.call("ACL", "SETUSER", "scorer", "~sg:{wine}:*", "~sg:{wine:*}:*")
        streams.await_results(added)
        check_answered_once(streams, added)
    finally:
        status = scorer.end()
    assert status == 0
    waited = [line for line in scorer.log if '"waiting"' in line]
    assert len(waited) <= 2 * len((*READ, *COMMIT)) + 2  # once a trouble, and perhaps once more where it is read


def check_open(streams: Streams, added: set[bytes], missing: str) -> None:
    """The newest record has no result, and is neither acknowledged nor lost."""
    newest = max(added, key=lambda entry_id: [int(part) for part in entry_id.split(b"-")])
    answered = [result.record for result in (*streams.predictions(), *streams.rejections())]
    assert newest not in answered, missing
    info = streams.connection.call("XINFO", "GROUPS", streams.partition.records)
    group = next(dict(zip(each[::2], each[1::2], strict=True)) for each in info if each[1] == b"scorers")
    assert group[b"pending"] + group[b"lag"] == 1, missing


def check_answered_once(streams: Streams, added: set[bytes]) -> None:
    """Each record has one result."""
    answered = [result.record for result in (*streams.predictions(), *streams.rejections())]
    assert sorted(answered) == sorted(added)
