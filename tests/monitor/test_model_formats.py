"""A monitor in a rolling upgrade: it judges by models of older formats, and waits with newer ones."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.record_encoder import encode_block
from core.settings import Settings
from monitor.model_timeline import ModelTimeline
from tests.model_formats import format_3, like_format_3, newer
from tests.monitor.running import Feed, expect, get, running
from tests.monitor.scenario import Promoted, Scenario

OLD_RUN, NEW_RUN = "333333333333", "555555555555"


@pytest.fixture
def feed(connection: Connection, keys: PipelineKeys) -> Feed:
    return Feed(connection, keys)


@pytest.fixture
def options(server_url: str, pipeline: str) -> Settings:
    return Settings(redis_url=server_url, pipeline=pipeline, http_port=0, window_records=50, window_min_records=10)


def push(feed: Feed, seed: int) -> None:
    """Fifty records of the world that the model was trained on, in a later millisecond than any before."""
    table = like_format_3(50, seed)
    feed.connection.call("XADD", feed.keys.partition(0).records, "*", *encode_block(table.x, table.schema))


def as_older_version(data: bytes) -> bytes:
    """A state as the version before wrote it, which knew no calibration."""
    older = msgspec.msgpack.decode(data)
    older["version"] = 2
    for pane in older["engine"]["panes"]:
        assert pane.pop("calibrated") is None
    return msgspec.msgpack.encode(older)


def test_a_monitor_goes_on_from_the_state_of_the_version_before_by_a_model_of_format_3(
    options: Settings, feed: Feed
) -> None:
    options = msgspec.structs.replace(options, slide_records=25, window_records=75)
    feed.registry.promote(OLD_RUN, format_3(), 0, "before the upgrade")
    with running(options):
        push(feed, 1)
        first, second = feed.window(), feed.window()
    stored: bytes = feed.connection.call("HGET", feed.keys.monitor, "state")
    feed.connection.call("HSET", feed.keys.monitor, "state", as_older_version(stored))
    with running(options):
        push(feed, 2)
        third = feed.window()
    assert [one[b"window"] for one in (first, second, third)] == [b"1", b"2", b"3"]
    assert {one[b"model"] for one in (first, second, third)} == {OLD_RUN.encode()}
    assert third[b"n"] == b"75"  # the panes from before the upgrade are in it
    x = np.concatenate([like_format_3(50, 1).x, like_format_3(50, 2).x[:25]])
    assert float(third[b"p_mean"]) == pytest.approx(format_3().model.score(x).probability.mean(), abs=1e-6)
    assert b"p_raw_mean" not in third


def test_a_monitor_waits_with_a_newer_production_and_loses_no_record(options: Settings, feed: Feed) -> None:
    feed.registry.promote(OLD_RUN, format_3(), 0, "before the upgrade")
    with running(options) as service:
        push(feed, 1)
        assert feed.window()[b"n"] == b"50"
        feed.registry.promote(NEW_RUN, newer(format_3()), 1, "by a later version")
        promoted_ms = feed.connection.now_ms()
        while feed.connection.now_ms() <= promoted_ms:
            pass
        push(feed, 2)
        expect(lambda: "upgrade streamgauge" in get(service, "/readyz")[1], feed.connection, "nothing")
    with running(options) as service:  # what reads that format goes on where this one stopped
        expect(lambda: "upgrade streamgauge" in get(service, "/readyz")[1], feed.connection, "nothing")
        file = format_3()
        feed.connection.call("HSET", feed.keys.models, NEW_RUN, file.encoded, f"{NEW_RUN}:sha256", file.sha256)
        window = feed.window()
    assert (window[b"window"], window[b"n"], window[b"model"]) == (b"2", b"50", NEW_RUN.encode())


def test_records_of_a_newer_production_that_was_rolled_back_are_judged_by_the_next_model(
    connection: Connection, keys: PipelineKeys
) -> None:
    files = (format_3(), newer(format_3()), format_3())
    promotions = [Promoted(100 * number, f"run{number}", file) for number, file in enumerate(files, start=1)]
    Scenario([[]], promotions, 0).store(connection, keys)
    timeline = ModelTimeline(connection, keys)
    timeline.refresh()
    assert [timeline.at(ms).run_id for ms in (150, 250, 350)] == ["run1", "run3", "run3"]
