"""The live state of a pipeline whose partitions lie on several servers."""

from __future__ import annotations

import pytest

from core.connection import Connection
from core.keys import SCORERS
from core.redis_registry import RedisRegistry
from tests.monitor.live.written import Written
from tests.monitor.scenario import make_model
from tests.servers import ClusterServers


def test_a_look_adds_up_what_lies_on_all_servers(
    on_cluster: Connection, cluster: ClusterServers, pipeline: str
) -> None:
    written = Written(on_cluster, pipeline, partitions=8)
    RedisRegistry(on_cluster, written.keys).promote("run", make_model(("a", "b"), 1), 0, "first")
    written.add_window(1)
    for partition in written.config.partitions:
        on_cluster.call("XGROUP", "CREATE", partition.records, SCORERS, "0", "MKSTREAM")
        written.add(partition.records, "_n", "10")
        on_cluster.call("XREADGROUP", "GROUP", SCORERS, "one", "COUNT", 1, "STREAMS", partition.records, ">")
        written.add(partition.rejected, "reason", "poison")
    assert {cluster.holder(partition.records) for partition in written.config.partitions} == set(cluster.ports)
    state = written.look()
    assert (state.problem, state.flow.partitions, state.flow.rejected_total) == (None, 8, 8)
    assert state.flow.backlog_records == pytest.approx(80.0)
    assert [(worker.name, worker.pending_entries) for worker in state.flow.workers] == [("one", 8)]
    assert state.drift.window is not None
    assert state.model is not None
