"""Model bytes that somebody altered: services go on with what they have, say so once, and recover when mended."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from core.connection import Connection
from core.errors import ModelFileError
from core.keys import PipelineKeys
from core.model import LogisticModel
from core.model_file import MAX_BYTES, ModelFile, read_model_file
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from core.schema import Schema
from core.settings import Settings
from monitor.service import Monitor
from tests.drift_references import quick_model_file
from tests.monitor.running import running
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams
from tests.security.story import until

GOOD, BAD = "0123456789ab", "ba0123456789"


def _other(seed: int) -> ModelFile:
    """Another model of the same features."""
    rows = np.random.default_rng(seed).normal(size=(20, 2))
    model = LogisticModel(Schema(("a", "b"), ("no", "yes")), np.array([9.0, 9.0]), -5.0, np.zeros(2), np.ones(2))
    return quick_model_file(model, rows, seed)


def _pickled() -> bytes:
    out = io.BytesIO()
    np.savez(out, header=np.array([{"format": 1}], dtype=object))
    return out.getvalue()


def _compressed() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(50_000_000))
    return out.getvalue()


def _without_member(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(out, "w") as archive:
        for info in whole.infolist():
            if info.filename != "scale.npy":
                archive.writestr(info, whole.read(info))
    return out.getvalue()


def _huge_shape(data: bytes) -> bytes:
    """Coefficients that claim to be as many as memory could never hold."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(out, "w") as archive:
        for info in whole.infolist():
            content = whole.read(info)
            if info.filename == "coefficients.npy":
                content = content.replace(b"(2,), }" + b" " * 14, b"(2000000000000,), }" + b" " * 2)
                assert b"2000000000000" in content
            archive.writestr(info, content)
    return out.getvalue()


#: What somebody puts in the place of a model, digest included.
REPLACED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "pickled arrays": lambda _: _pickled(),
    "compressed 1000 times": lambda _: _compressed(),
    "one member less": _without_member,
    "a huge shape": _huge_shape,
    "a comment": lambda data: data[:-2] + b"\x04\x00evil",
    "a directory that claims 4 GB": lambda data: data[:-10] + b"\xff" * 4 + data[-6:],
    "a larger directory before the end": lambda data: data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:],
}


@pytest.mark.parametrize("replace", REPLACED.values(), ids=REPLACED)
def test_bytes_that_are_no_model_are_refused_though_their_digest_fits(
    model_file: ModelFile, replace: Callable[[bytes], bytes]
) -> None:
    data = replace(model_file.encoded)
    with pytest.raises(ModelFileError):
        read_model_file(data, hashlib.sha256(data).hexdigest())
    assert read_model_file(model_file.encoded, model_file.sha256).model.schema == model_file.model.schema


@pytest.fixture
def registry(connection: Connection, keys: PipelineKeys, model_file: ModelFile) -> RedisRegistry:
    registry = RedisRegistry(connection, keys)
    registry.promote(GOOD, model_file, 0, "first")
    return registry


def test_a_model_over_the_limit_is_not_even_read(registry: RedisRegistry) -> None:
    registry.connection.call("HSET", registry.keys.models, GOOD, bytes(MAX_BYTES + 1))
    before = _hmget_calls(registry.connection)
    with pytest.raises(ModelFileError, match=f"{MAX_BYTES + 1} bytes"):
        registry.model(GOOD)
    assert _hmget_calls(registry.connection) == before
    registry.connection.call("HDEL", registry.keys.models, GOOD)


def _hmget_calls(connection: Connection) -> bytes:
    found = re.search(rb"cmdstat_hmget:calls=(\d+)", connection.call("INFO", "commandstats"))
    return b"0" if found is None else found.group(1)


@pytest.fixture
def scorer(registry: RedisRegistry, server_url: str, pipeline: str) -> Iterator[Scorer]:
    assert registry.production() is not None
    scorer = Scorer("--redis-url", server_url, "--pipeline", pipeline).ready()
    yield scorer
    scorer.end()


def test_a_scorer_keeps_its_model_says_so_once_and_takes_the_mended_one(
    scorer: Scorer, registry: RedisRegistry
) -> None:
    streams, keys = Streams(registry.connection, registry.keys), registry.keys
    whole = _other(5)
    altered = whole.encoded[:-30] + b"!" + whole.encoded[-29:]
    registry.connection.call("HSET", keys.models, BAD, altered, f"{BAD}:sha256", whole.sha256)
    registry.connection.call("HSET", keys.production, "run_id", BAD, "epoch", 2)
    said = scorer.logged("model not loaded")["error"]
    assert "SHA-256" in said
    for _ in range(3):  # each is a look at production, or more
        record = streams.add("a", 1, "b", 2)
        streams.await_results({record})
    assert {prediction.model for prediction in streams.predictions()} == {GOOD}
    registry.connection.call("HSET", keys.models, BAD, whole.encoded)
    while scorer.logged("model in use")["model"] != BAD:
        pass
    record = streams.add("a", 1, "b", 2)
    streams.await_results({record})
    assert streams.predictions()[-1].model == BAD
    assert sum('"model not loaded"' in line for line in scorer.log) == 1


def test_a_monitor_waits_with_a_damaged_model_loses_no_record_and_goes_on_when_it_is_replaced(
    registry: RedisRegistry, server_url: str, pipeline: str
) -> None:
    connection, keys, schema = registry.connection, registry.keys, _other(1).model.schema
    settings = Settings(
        redis_url=server_url, pipeline=pipeline, http_port=0, window_records=50, window_min_records=10
    )
    whole = _other(5)
    with ExitStack() as stack:
        registry.promote(BAD, whole, 1, "test")
        connection.call("HSET", keys.models, BAD, whole.encoded[:-30] + b"!" + whole.encoded[-29:])
        monitor: Monitor = stack.enter_context(running(settings))
        x = np.random.default_rng(1).normal(size=(50, 2))
        connection.call("XADD", keys.partition(0).records, "*", *encode_block(x, schema))
        until(lambda: "SHA-256" in str(monitor.not_ready()))
        registry.promote(GOOD, _other(6), 2, "rollback")
        assert connection.call("XREAD", "BLOCK", 20_000, "STREAMS", keys.drift, "0-0"), "no window was closed"
        (entry,) = connection.call("XRANGE", keys.drift, "-", "+")
        fields = dict(zip(entry[1][::2], entry[1][1::2], strict=True))
        assert (fields[b"model"], fields[b"n"]) == (GOOD.encode(), b"50")
