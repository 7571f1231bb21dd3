"""A permission that is taken away: nothing is lost or doubled, it is said, and giving it back is enough."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.connection import Connection
from core.entry import field_map
from core.keys import SCORERS, PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.settings import Settings
from scorer.service import StreamScorer
from tests.scorer.streams import Streams
from tests.security.acl_users import ADMIN, write_acl_file
from tests.servers import PATIENCE_S, running_server, wait_until

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


@contextmanager
def running_scorer(url: str) -> Iterator[None]:
    """A scorer in a thread."""
    scorer = StreamScorer(Settings(redis_url=url, pipeline=PIPELINE, http_port=0, takeover_idle_ms=200))
    thread = threading.Thread(target=scorer.run)
    thread.start()
    try:
        wait_until(lambda: scorer.not_ready() is None, "a scorer that is ready")
        yield
    finally:
        scorer.stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_scorer_without_a_permission_keeps_every_record_and_goes_on_once_it_is_given_back(
    admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.service.BACKOFF_LONGEST_S", 0.1)
    streams = Streams(admin, PipelineKeys(PIPELINE))
    with capture_logs() as lines, running_scorer(admin.url.replace(ADMIN, "scorer", 1)):
        added = set()
        for command in (*READ, *COMMIT):
            take(admin, f"-{command}")
            if command in COMMIT:
                added.add(streams.add("a", 1, "b", 2))
            await_denial(admin, command)
            if command in READ:  # a read that waits already may still get its record
                added.add(streams.add("a", 1, "b", 2))
            check_open(streams, added, command)
            admin.call("ACL", "SETUSER", "scorer", f"+{command}")
            streams.await_results(added)
            check_answered_once(streams, added)
        take(admin, "resetkeys", "~sg:{wine:*}:records", "%R~sg:{wine}:*")
        added.add(streams.add("a", 1, "b", 2))
        await_denial(admin, streams.partition.predictions)
        check_open(streams, added, "the key of predictions")
        admin.call("ACL", "SETUSER", "scorer", "~sg:{wine}:*", "~sg:{wine:*}:*")
        streams.await_results(added)
        check_answered_once(streams, added)
    complaints = [line["error"] for line in lines if line["event"] == "waiting"]
    # once a trouble, and perhaps once more where it is read
    assert len((*READ, *COMMIT)) + 1 <= len(complaints) <= 2 * len((*READ, *COMMIT)) + 2
    assert all("docs/security.md" in complaint for complaint in complaints)


def take(admin: Connection, *rules: str) -> None:
    """Take permissions from the scorer; what the server refuses from now on is in its log."""
    admin.call("ACL", "LOG", "RESET")
    admin.call("ACL", "SETUSER", "scorer", *rules)


def await_denial(admin: Connection, refused: str) -> None:
    """Wait until the scorer was refused a command or a key."""
    wait_until(
        lambda: refused.encode() in [field_map(denial)[b"object"] for denial in admin.call("ACL", "LOG")], refused
    )


def check_open(streams: Streams, added: set[bytes], missing: str) -> None:
    """The newest record has no result, and is neither acknowledged nor lost."""
    newest = max(added, key=lambda entry_id: [int(part) for part in entry_id.split(b"-")])
    answered = [result.record for result in (*streams.predictions(), *streams.rejections())]
    assert newest not in answered, missing
    info = streams.connection.call("XINFO", "GROUPS", streams.partition.records)
    group = next(found for each in info if (found := field_map(each))[b"name"] == SCORERS.encode())
    assert int(group[b"pending"]) + int(group[b"lag"]) == 1, missing


def check_answered_once(streams: Streams, added: set[bytes]) -> None:
    """Each record has one result."""
    answered = [result.record for result in (*streams.predictions(), *streams.rejections())]
    assert sorted(answered) == sorted(added)
