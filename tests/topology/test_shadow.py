"""A shadow on a cluster: a group and streams on every master."""

from __future__ import annotations

import signal
from collections import Counter

import numpy as np
import pytest

from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import PipelineKeys
from core.pipeline_config import agree
from core.redis_registry import RedisRegistry
from core.settings import Settings
from core.shadow_progress import shadow_progress
from core.shadow_registry import ShadowRegistry
from producer.client import Producer
from streamgauge.shadow.end import end_shadow
from tests.monitor.scenario import make_model
from tests.scorer.scorer_process import Scorer
from tests.servers import ClusterServers, wait_until

PRODUCTION, CANDIDATE = "a" * 12, "c" * 12
FEATURES = ("a", "b")
RECORDS = 300


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_every_master_has_its_part_of_a_shadow_and_nothing_of_it_behind_its_end(
    cluster: ClusterServers, pipeline: str, end: signal.Signals
) -> None:
    keys = PipelineKeys(pipeline)
    tags = ",".join(cluster.tags(pipeline, 3))
    with Connection(cluster.url) as connection:
        partitions = agree(
            connection, Settings(redis_url=cluster.url, pipeline=pipeline, partition_tags=tags)
        ).partitions
        RedisRegistry(connection, keys).promote(PRODUCTION, make_model(FEATURES, 1), 0, "first")
        ShadowRegistry(connection, keys).begin(CANDIDATE, make_model(FEATURES, 2))
        shadow = Scorer("--redis-url", cluster.url, "--pipeline", pipeline, "--shadow", CANDIDATE).ready()
        with Producer(cluster.url, pipeline) as producer:
            for number, row in enumerate(np.random.default_rng(0).normal(size=(RECORDS, 2)).tolist()):
                producer.send(dict(zip(FEATURES, row, strict=True)), id=str(number))
            producer.flush()
        wait_until(
            lambda: shadow_progress(connection, partitions, CANDIDATE).answered_entries >= RECORDS, "all answered"
        )
        shadow.end(end)
        answered: Counter[bytes] = Counter()
        for partition in partitions:
            results = entries_of(connection.call("XRANGE", partition.shadow(CANDIDATE).predictions, "-", "+"))
            assert len(results) > RECORDS / 10
            answered.update(field_map(entry.fields)[b"id"] for entry in results)
            assert connection.call("EXISTS", partition.predictions) == 0
        assert answered == Counter(str(number).encode() for number in range(RECORDS))
        assert shadow_progress(connection, partitions, CANDIDATE).missed_entries == 0
        end_shadow(connection, keys, partitions, CANDIDATE)
        for partition in partitions:
            assert connection.call("XINFO", "GROUPS", partition.records) == []
            assert connection.call("EXISTS", partition.shadow(CANDIDATE).start) == 0
