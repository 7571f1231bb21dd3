"""Garbage in config, production, labels and samples on a real server: a sentence, or as if it were not there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.chaos import garbage
from bench.chaos.workload import SCHEMA
from core.connection import Connection
from core.errors import RegistryError, SettingsError, StreamgaugeError
from core.keys import PipelineKeys
from core.pipeline_config import agree, look_up
from core.redis_registry import RedisRegistry
from core.sample_block import SampleBlock
from core.settings import Settings
from tests.fuzz.attempt import attempt
from tests.fuzz.profile import fuzz_server
from trainer.dataset import Dataset

CONFIG_FIELDS = (
    "version",
    "partitions",
    "required_groups",
    "partition_tags",
    "records_keep_ms",
    "records_keep_bytes",
)


def _hash_of(names: Sequence[str]) -> st.SearchStrategy[dict[str, bytes]]:
    return st.dictionaries(st.sampled_from(names), garbage.texts(), min_size=1, max_size=len(names))


def _write(connection: Connection, key: str, fields: dict[str, bytes]) -> None:
    connection.call("DEL", key)
    for field, value in fields.items():
        connection.call("HSET", key, field, value)


@fuzz_server
@given(_hash_of(CONFIG_FIELDS))
def test_a_damaged_config_is_refused_with_a_sentence_that_names_it(
    connection: Connection, keys: PipelineKeys, fields: dict[str, bytes]
) -> None:
    _write(connection, keys.config, fields)
    settings = Settings(pipeline=keys.pipeline)
    for read in (agree, look_up):
        config, refused = attempt(partial(read, connection, settings), SettingsError)
        if refused is not None:
            assert keys.pipeline in str(refused)
        elif config is not None:
            assert len(config.partitions) == int(connection.call("HGET", keys.config, "partitions"))


@fuzz_server
@given(_hash_of(("run_id", "previous", "epoch", "updated_ts_ms", "attempt")))
def test_a_damaged_production_pointer_is_a_registry_error(
    connection: Connection, keys: PipelineKeys, fields: dict[str, bytes]
) -> None:
    _write(connection, keys.production, fields)
    production, refused = attempt(RedisRegistry(connection, keys).production, RegistryError)
    if production is None:
        assert keys.production in str(refused)
    else:
        assert production.run_id.encode() == fields["run_id"]


@fuzz_server
@given(_hash_of(("run", "run:sha256")))
def test_a_damaged_model_is_an_error_of_the_tree(
    connection: Connection, keys: PipelineKeys, fields: dict[str, bytes]
) -> None:
    _write(connection, keys.models, fields)
    with pytest.raises(StreamgaugeError):
        RedisRegistry(connection, keys).model("run")


@fuzz_server
@given(
    st.lists(st.one_of(garbage.any_fields(), garbage.samples(SCHEMA)), max_size=5),
    st.lists(garbage.labels(), max_size=5),
)
def test_garbage_beside_samples_and_labels_leaves_rows_that_can_be_trained_on(
    connection: Connection, keys: PipelineKeys, samples: list[list[bytes]], labels: list[list[bytes]]
) -> None:
    connection.call("DEL", keys.samples, keys.labels)
    for fields in samples:
        connection.call("XADD", keys.samples, "*", *fields)
    for fields in labels:
        connection.call("XADD", keys.labels, "*", *fields)
    good = SampleBlock(
        1,
        SCHEMA.fingerprint,
        np.ones((2, SCHEMA.width)),
        np.array([0.0, np.nan]),
        [b"good-0", b"good-1"],
        np.array([[1, 0, 0, 0], [1, 0, 1, 0]], np.int64),
        np.arange(2),
    )
    for fields in good.encode():
        connection.call("XADD", keys.samples, "*", *fields)
    connection.call("XADD", keys.labels, "*", "id", "good-1", "y", "1")
    dataset = Dataset(connection, keys, SCHEMA, Settings(pipeline=keys.pipeline))
    dataset.refresh()
    rows = dataset.labelled()
    assert {b"good-0", b"good-1"} <= set(rows.ids)
    assert np.isfinite(rows.x).all()
    assert set(rows.y.tolist()) <= {0, 1}
