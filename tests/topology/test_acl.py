"""The users of docs/security.md on a cluster and under Sentinel: what they need there is what the page adds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.connection import Connection, ServerError
from core.entry import field_map
from core.errors import ServerUnavailable
from core.keys import PipelineKeys
from core.pipeline_config import look_up
from core.redis_registry import RedisRegistry
from core.service import Service
from core.settings import Settings
from monitor.service import Monitor
from producer.client import Producer
from scorer.service import StreamScorer
from streamgauge.app import app
from streamgauge.predictions import Predictions
from tests.monitor.scenario import make_model
from tests.security.acl_users import PAGE, PASSWORD_ON_PAGE, PIPELINE_ON_PAGE, users_on_page
from tests.servers import PATIENCE_S, ClusterServers, SentinelServers, wait_until
from trainer.service import Trainer

ON_A_CLUSTER = ("+cluster|slots", "+asking")
ON_SENTINELS = ("+sentinel|masters",)
PASSWORD, RECORDS = "correct-horse", 120


class Users:
    """The page's users on every node, by names that no other test has."""

    def __init__(self, cluster: ClusterServers, pipeline: str) -> None:
        self.cluster, self.pipeline = cluster, pipeline
        self.names = {name: f"{pipeline}-{name}" for name in users_on_page()}
        for user in users_on_page().values():
            rules = [
                rule.replace(PIPELINE_ON_PAGE, pipeline).replace(PASSWORD_ON_PAGE, PASSWORD) for rule in user.rules
            ]
            self.everywhere("SETUSER", self.names[user.name], *rules, *ON_A_CLUSTER)

    def everywhere(self, *command: str) -> None:
        """Change the users of every node."""
        for port in self.cluster.ports:
            with Connection(f"redis://127.0.0.1:{port}") as node:
                node.call("ACL", *command)

    def url(self, name: str) -> str:
        """The cluster as one user reaches it."""
        return self.cluster.url.replace("://", f"://{self.names[name]}:{PASSWORD}@")

    def denials(self) -> list[str]:
        """What the nodes refused to these users."""
        found = []
        for port in self.cluster.ports:
            with Connection(f"redis://127.0.0.1:{port}") as node:
                log = [field_map(entry) for entry in node.call("ACL", "LOG", 100)]
            found += [
                b"%b: %b" % (each[b"username"], each[b"object"])
                for each in log
                if each[b"username"].decode() in self.names.values()
            ]
        return sorted({denial.decode().removeprefix(f"{self.pipeline}-") for denial in found})


@pytest.fixture
def users(cluster: ClusterServers, pipeline: str) -> Iterator[Users]:
    users = Users(cluster, pipeline)
    yield users
    users.everywhere("DELUSER", *users.names.values())


@contextmanager
def running(service: Service) -> Iterator[None]:
    """A service in a thread, once it is ready."""
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        wait_until(lambda: service.not_ready() is None, f"a {service.name} that is ready")
        yield
    finally:
        service.stopping.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_the_page_says_what_is_added() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [rule for rule in (*ON_A_CLUSTER, *ON_SENTINELS) if f"`{rule}`" not in page] == []


def test_a_pipeline_works_on_a_cluster_under_the_users_of_the_page(
    users: Users, cluster: ClusterServers, keys: PipelineKeys, tmp_path: Path
) -> None:
    def command(user: str, *arguments: str) -> None:
        place = {"STREAMGAUGE_REDIS_URL": users.url(user), "STREAMGAUGE_PIPELINE": keys.pipeline}
        done = CliRunner().invoke(app, list(arguments), env=place)
        assert done.exit_code == 0, done.output

    command("operator", "partitions", "create", "--partitions", "3")
    with Connection(users.url("operator")) as operator:
        RedisRegistry(operator, keys).promote("run", make_model(("a", "b"), 1), 0, "first")
    options = {
        "pipeline": keys.pipeline,
        "http_port": 0,
        "window_records": 50,
        "window_min_records": 20,
        "miniflow": str(tmp_path / "miniflow"),
    }
    with ExitStack() as stack:
        for service in (StreamScorer, Monitor, Trainer):
            settings = Settings(redis_url=users.url(service.name), **options)  # type: ignore[arg-type]  # by name
            stack.enter_context(running(service(settings)))
        with Producer(users.url("producer"), keys.pipeline, batch_rows=10) as producer:
            rows = np.random.default_rng(1).normal(size=(RECORDS, 2)).tolist()
            for number, (a, b) in enumerate(rows):
                producer.send({"a": a, "b": b}, id=f"id-{number}")
            producer.send_label("id-0", 1)
        for user, group in (("reader", None), ("group-reader", "g")):
            with Predictions(
                users.url(user), keys.pipeline, start="start", group=group, timeout_s=PATIENCE_S
            ) as predictions:
                assert {next(predictions).id for _ in range(RECORDS)} == {b"id-%d" % row for row in range(RECORDS)}
        with Connection(cluster.url) as everybody:
            config = look_up(everybody, Settings(pipeline=keys.pipeline))
            assert config is not None
            assert {cluster.holder(partition.records) for partition in config.partitions} == set(cluster.ports)
            wait_until(lambda: everybody.call("XLEN", keys.drift) >= RECORDS // 50, "the windows")
        for arguments in (("status",), ("partitions",), ("groups",)):
            command("viewer", *arguments)
    assert users.denials() == []


def test_a_key_that_is_on_its_way_is_followed_by_a_user_who_may_ask(
    users: Users, cluster: ClusterServers, keys: PipelineKeys
) -> None:
    stream = keys.partitions(1, (f"{keys.pipeline}:moving",))[0].records
    source = cluster.holder(stream)
    target = next(port for port in cluster.ports if port != source)
    with Connection(users.url("scorer")) as scorer:
        scorer.require()
        cluster.start_move(stream, target)
        try:
            assert scorer.call("XADD", stream, "1-0", "a", "1") == b"1-0"
            assert users.denials() == []
            users.everywhere("SETUSER", users.names["scorer"], "-asking")
            with pytest.raises(ServerError, match="asking"):
                scorer.call("XADD", stream, "2-0", "a", "1")
        finally:
            cluster.end_move(source, stream, target)


def test_a_user_of_the_sentinels_needs_no_more_than_the_page_says(sentinel: SentinelServers) -> None:
    url = f"{sentinel.url}?sentinel_username=finder&sentinel_password={PASSWORD}"
    with Connection(f"redis://127.0.0.1:{sentinel.sentinel}") as own:
        own.call("ACL", "SETUSER", "finder", "on", f">{PASSWORD}", "-@all", *ON_SENTINELS)
        with Connection(url).require() as connection:
            assert int(connection.call("CONFIG", "GET", "port")[1]) == sentinel.first
        own.call("ACL", "SETUSER", "finder", "-sentinel|masters")
        with Connection(url) as connection, pytest.raises(ServerUnavailable):
            connection.require()
