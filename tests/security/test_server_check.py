"""A server that would lose data is refused at the start, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from core.connection import Connection
from core.errors import UsageError
from core.server_check import Finding, ServerFacts, aof_fsync, findings, runs_our_scripts, server_facts
from producer.client import Producer
from tests.scorer.scorer_process import Scorer
from tests.security.acl_users import ADMIN, write_acl_file
from tests.security.story import PASSWORD, PIPELINE
from tests.security.test_secrets import Spied
from tests.servers import PATIENCE_S, running_server

LIMIT = 64 * 1024 * 1024


@pytest.fixture
def port(any_program: str, tmp_path: Path) -> Iterator[int]:
    with running_server(any_program, tmp_path) as found:
        yield found


@pytest.fixture
def server(port: int) -> Iterator[Connection]:
    with Connection(f"redis://127.0.0.1:{port}/0") as connection:
        yield connection


def test_every_service_and_the_producer_refuse_an_evicting_server(server: Connection, tmp_path: Path) -> None:
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", LIMIT)
    with ExitStack() as stack:
        services = [Spied(stack, tmp_path, module, url=server.url) for module in ("scorer", "monitor", "trainer")]
        with pytest.raises(
            UsageError, match=f"allkeys-lru at maxmemory {LIMIT} bytes.*set maxmemory-policy noeviction"
        ):
            Producer(server.url, PIPELINE)
        for service in services:
            assert service.process.wait(PATIENCE_S) == 2
    for service in services:
        assert "streamgauge: the server evicts keys when it is full" in service.said


def test_a_policy_that_does_nothing_yet_is_warned_of(server: Connection) -> None:
    server.call("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    with Scorer("--redis-url", server.url, "--pipeline", PIPELINE) as scorer:
        scorer.wait_for("listening")
        said = scorer.logged("library")
        scorer.logged("started")
        assert scorer.end() == 0
    assert (said["library"], said["detail"]) == (
        "core.server_check",
        (
            "the server has maxmemory-policy volatile-ttl and would lose streams once maxmemory is set; set "
            "maxmemory-policy noeviction (CONFIG SET, and in its configuration file)"
        ),
    )
    assert said["level"] == "warning"


def test_a_full_server_that_evicts_nothing_is_fine(server: Connection) -> None:
    server.call("CONFIG", "SET", "maxmemory", LIMIT)
    with Producer(server.url, PIPELINE) as producer:
        producer.send({"a": 1.0})
    assert producer.sent_records == 1


def test_a_user_who_may_not_send_info_is_told_so_once_and_served(any_program: str, tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    write_acl_file(users, PIPELINE, PASSWORD)
    with running_server(any_program, tmp_path, "--aclfile", str(users)) as port:
        with Connection(f"redis://{ADMIN}:{PASSWORD}@127.0.0.1:{port}/0") as admin:
            admin.call("ACL", "SETUSER", "scorer", "-info")
        url = f"redis://scorer:{PASSWORD}@127.0.0.1:{port}/0"
        with Scorer("--redis-url", url, "--pipeline", PIPELINE) as scorer:
            scorer.wait_for("listening")
            scorer.logged("started")
            assert scorer.end() == 0
    assert sum("may not send INFO" in line for line in scorer.log) == 1


def test_facts_are_those_of_the_server(server: Connection, any_program: str) -> None:
    facts = server_facts(server.call)
    assert facts is not None
    assert facts.name == ("redis" if any_program.endswith("redis-server") else "valkey")
    assert facts.version.count(".") == 2
    assert (facts.mode, facts.role, facts.loading, facts.aof_enabled) == ("standalone", "master", False, False)
    assert (facts.maxmemory_policy, facts.maxmemory_bytes, facts.evicts) == ("noeviction", 0, False)
    assert facts.used_memory_bytes > 100_000
    assert aof_fsync(server.call) == "everysec"
    assert runs_our_scripts(server.call)


def _facts(policy: str | None, maxmemory_bytes: int) -> ServerFacts:
    return ServerFacts("redis", "7.0.15", "standalone", "master", False, policy, maxmemory_bytes, 1, False)


@pytest.mark.parametrize(
    ("policy", "maxmemory_bytes", "levels"),
    [
        ("noeviction", 0, []),
        ("noeviction", LIMIT, []),
        (None, LIMIT, []),
        ("volatile-lru", 0, ["warning"]),
        ("volatile-lru", LIMIT, ["refused"]),
        ("allkeys-random", LIMIT, ["refused"]),
    ],
)
def test_only_a_policy_that_can_evict_now_is_refused(
    policy: str | None, maxmemory_bytes: int, levels: list[str]
) -> None:
    found: list[Finding] = findings(_facts(policy, maxmemory_bytes))
    assert [finding.level for finding in found] == levels


def test_a_server_without_script_flags_is_too_old_and_one_that_forbids_scripts_is_not_judged() -> None:
    def old(*_: object) -> object:  # as Redis 6.2 answers; there is none to run here
        raise ResponseError("Error compiling script (new function): user_script:1: unexpected symbol near '#'")

    def forbidding(*_: object) -> object:
        raise NoPermissionError("this user has no permissions to run the 'eval' command")

    def broken(*_: object) -> object:
        raise ResponseError("something else")

    assert not runs_our_scripts(old)
    assert runs_our_scripts(forbidding)
    with pytest.raises(ResponseError, match="something else"):
        runs_our_scripts(broken)
