"""What others do to the monitor's keys, and records that kill it."""

from __future__ import annotations

import json

import pytest

from core.connection import ServerError
from core.entry import field_map
from core.errors import ServerUnavailable
from core.model import LogisticModel
from core.model_file import ModelFile
from core.record_rows import RecordBatch
from core.scoring import ScoredBatch, score_batch
from core.settings import Settings
from monitor.service import Monitor
from tests.both_servers import both_servers
from tests.monitor.running import Feed, expect, get, level, running

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("key", ["monitor", "drift", "samples", "retrain"])
def test_a_key_of_the_wrong_type_is_waited_out(
    options: Settings, feed: Feed, files: list[ModelFile], key: str
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    name = getattr(feed.keys, key)
    feed.connection.call("SET", name, "not ours")
    with running(options) as service:
        feed.push(files[0], shift=2.0)
        expect(lambda: "WRONGTYPE" in get(service, "/readyz")[1], feed.connection, "nothing")
        feed.connection.call("DEL", name)
        assert int(feed.window()[b"n"]) + int(feed.window()[b"n"]) == 50  # to the alarm, and what comes behind it
        expect(lambda: get(service, "/readyz")[0] == 200, feed.connection, "nothing")


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ({"window": 0, "state": '{"version": 99}'}, "has version 99, not 3; upgrade this monitor"),
        ({"window": 5}, "is of window 0 but its number is '5'"),
        ({"window": 0, "state": "{"}, "cannot be read"),
    ],
)
def test_a_state_that_is_not_ours_is_refused_with_a_sentence(
    options: Settings, feed: Feed, files: list[ModelFile], stored: dict[str, str | int], sentence: str
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.connection.call("HSET", feed.keys.monitor, *(part for item in stored.items() for part in item))
    feed.push(files[0])
    with running(options) as service:
        expect(
            lambda: sentence in json.loads(get(service, "/readyz")[1]).get("error", ""),
            feed.connection,
            "nothing",
        )
        feed.connection.call("DEL", feed.keys.monitor)
        assert feed.window()[b"window"] == b"1"


@both_servers
def test_a_flush_under_a_running_monitor_begins_anew_and_counts_everything_again(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    with running(options):
        for _ in range(3):
            feed.push(files[0])
            feed.window()
        own = feed.connection.call("KEYS", f"sg:{{{options.pipeline}*")
        feed.connection.call("DEL", *own)  # what FLUSHALL does to this pipeline; other tests share the server
        feed.push(files[1])
        feed.registry.promote("run9", files[1], 0, "re-seeded")
        window = feed.window()
        assert (window[b"window"], window[b"n"], window[b"model"]) == (b"1", b"50", b"run9")
        assert feed.connection.call("HGET", feed.keys.config, "partitions") == b"1"
        expect(lambda: level(feed), feed.connection, "nothing")


def test_without_redis_it_says_what_it_needs() -> None:
    with pytest.raises(ServerUnavailable, match=r"needs Redis; set redis_url"):
        Monitor(Settings(http_port=0))


def _live_until_it_dies(options: Settings) -> Monitor | None:
    """One process: turns until an error that is none of ours; None where it came to rest alive."""
    service = Monitor(options)
    try:
        service.start()
        _step_often(service)
    except MemoryError:
        return None
    finally:
        service.close()
        service.http.close()
    return service


def test_an_entry_that_kills_every_process_is_skipped_counted_and_said(
    options: Settings, feed: Feed, files: list[ModelFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.push(files[0], rows=20)
    feed.push(files[0], rows=7)
    feed.push(files[0], rows=23)

    def deadly(model: LogisticModel, batch: RecordBatch) -> ScoredBatch:
        if any(rows.count == 7 for rows in batch.entries):
            raise MemoryError
        return score_batch(model, batch)

    monkeypatch.setattr("monitor.record_run.score_batch", deadly)
    deaths = 0
    while _live_until_it_dies(options) is None:
        deaths += 1
    assert deaths == options.poison_deliveries + options.poison_lone_deaths
    window = feed.window()
    assert (window[b"window"], window[b"n"], window[b"skipped"]) == (b"1", b"43", b"1")
    assert set(field_map(feed.connection.call("HGETALL", feed.keys.monitor))) == {
        b"window",
        b"state",
        b"incarnation",
        b"episode",
    }
    assert level(feed)


def _step_often(service: Monitor) -> None:
    for _ in range(30):
        service.step()


def test_errors_that_are_waited_out_are_no_deaths(options: Settings, feed: Feed, files: list[ModelFile]) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    feed.connection.call("HSET", feed.keys.monitor, "starts", 50)  # so it is careful
    feed.connection.call("SET", feed.keys.drift, "not ours")
    feed.push(files[0])
    service = Monitor(options)
    service.start()
    for _ in range(2 * options.poison_lone_deaths):
        with pytest.raises(ServerError, match="WRONGTYPE"):
            _step_often(service)
    feed.connection.call("DEL", feed.keys.drift)
    service.step()
    service.close()
    service.http.close()
    assert feed.window()[b"n"] == b"50"
