from __future__ import annotations

import pytest

from core.connection import Connection
from core.errors import NoProductionModel, UnknownRun
from core.keys import PipelineKeys
from core.model_file import ModelFile
from monitor.model_timeline import MODELS_HELD, ModelTimeline
from tests.monitor.scenario import Promoted, Scenario


def _timeline(connection: Connection, keys: PipelineKeys, file: ModelFile, times_ms: list[int]) -> ModelTimeline:
    promotions = [Promoted(ms, f"run{index}", file) for index, ms in enumerate(times_ms)]
    Scenario([[]], promotions, 0).store(connection, keys)
    timeline = ModelTimeline(connection, keys)
    timeline.refresh()
    return timeline


def test_the_model_of_a_millisecond_is_the_last_one_promoted_before_it(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    timeline = _timeline(connection, keys, files[0], [100, 200, 300])
    judged = {ms: timeline.at(ms).run_id for ms in (101, 200, 201, 300, 301, 10**15)}
    assert judged == {101: "run0", 200: "run0", 201: "run1", 300: "run1", 301: "run2", 10**15: "run2"}


def test_what_came_before_any_promotion_is_judged_by_the_first(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    timeline = _timeline(connection, keys, files[0], [100, 200])
    assert timeline.at(0).run_id == timeline.at(100).run_id == "run0"


def test_a_promotion_that_comes_after_a_read_never_judges_what_was_read(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    """Whatever was read before a refresh is judged alike by whoever refreshes later."""
    read_ms = connection.now_ms()
    before = _timeline(connection, keys, files[0], [read_ms - 1])
    assert before.at(read_ms).run_id == "run0"
    connection.call("XADD", keys.promotions, f"{read_ms}-0", "run_id", "late")
    later = ModelTimeline(connection, keys)
    later.refresh()
    assert later.at(read_ms).run_id == "run0"


def test_a_promotion_that_a_failover_took_back_judges_no_more(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    timeline = _timeline(connection, keys, files[0], [100, 200])
    newest = connection.call("XREVRANGE", keys.promotions, "+", "-", "COUNT", 1)[0][0]
    connection.call("XDEL", keys.promotions, newest)
    timeline.reread()
    assert timeline.at(201).run_id == "run0"
    connection.call("XADD", keys.promotions, "300-0", "run_id", "run1")
    timeline.refresh()
    assert [timeline.at(ms).run_id for ms in (201, 301)] == ["run0", "run1"]


def test_where_a_model_is_pruned_the_next_one_kept_judges_until_it_is_promoted_again(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    timeline = _timeline(connection, keys, files[0], [100, 200, 300, 400])
    connection.call("HDEL", keys.models, "run0", "run1")
    assert [timeline.at(ms).run_id for ms in (50, 150, 250, 350, 450)] == ["run2", "run2", "run2", "run2", "run3"]
    connection.call("HSET", keys.models, "run1", files[0].encoded, "run1:sha256", files[0].sha256)
    connection.call("XADD", keys.promotions, "500-0", "run_id", "run1")
    timeline.refresh()
    assert timeline.at(501).run_id == "run1"


def test_a_production_without_its_model_file_is_said(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    timeline = _timeline(connection, keys, files[0], [100])
    connection.call("DEL", keys.models)
    with pytest.raises(UnknownRun, match="run 'run0' has no model"):
        timeline.at(150)


def test_without_any_promotion_nothing_is_known(connection: Connection, keys: PipelineKeys) -> None:
    timeline = ModelTimeline(connection, keys)
    timeline.refresh()
    assert not timeline.known()
    assert timeline.production() is None
    with pytest.raises(NoProductionModel, match="run streamgauge fit"):
        timeline.at(1)


def test_production_judges_where_the_promotions_stream_was_lost(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    _timeline(connection, keys, files[0], [100, 200])
    connection.call("DEL", keys.promotions)
    timeline = ModelTimeline(connection, keys)
    timeline.refresh()
    assert timeline.known()
    assert timeline.at(150).run_id == "run1"
    assert timeline.production() == ("run1", 200)


def test_noise_in_the_promotions_stream_is_passed_over(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    timeline = _timeline(connection, keys, files[0], [100])
    connection.call("XADD", keys.promotions, "150-0", "something", "else")
    connection.call("XADD", keys.promotions, "160-0", "run_id", b"\xff")
    connection.call("XADD", keys.promotions, "170-0", "run_id", "run0")
    timeline.refresh()
    assert timeline.at(155).run_id == timeline.at(165).run_id == timeline.at(200).run_id == "run0"


def test_models_are_held_but_not_without_bound(
    connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    times = list(range(100, 100 + 10 * (MODELS_HELD + 2), 10))
    timeline = _timeline(connection, keys, files[0], times)
    last = timeline.at(10**15)
    connection.call("DEL", keys.models)
    assert timeline.at(10**15) is last
    fresh = ModelTimeline(connection, keys)
    fresh.refresh()
    with pytest.raises(UnknownRun):
        fresh.at(10**15)
