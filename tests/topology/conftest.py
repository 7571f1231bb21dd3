"""A cluster for the session, and Sentinel sets that tests may break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.connection import Connection
from tests.servers import ClusterServers, SentinelServers, running_cluster, running_sentinel


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServers]:
    """Three masters."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


@pytest.fixture
def on_cluster(cluster: ClusterServers) -> Iterator[Connection]:
    """A connection to the cluster."""
    with Connection(cluster.url) as open_connection:
        yield open_connection


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[SentinelServers]:
    """A master, a replica and a Sentinel of the test's own."""
    with running_sentinel(tmp_path / "sentinel") as servers:
        yield servers
