"""A closed window is a span."""

from __future__ import annotations

import msgspec
import pytest

from core.drift_window import DriftWindow
from core.entry import Entry, parse_entry_id
from core.fields import decode_fields
from core.model_file import ModelFile
from core.settings import Settings
from tests.monitor.running import Feed, running
from tests.otlp_collector import running_collector

pytestmark = pytest.mark.usefixtures("quick")


def test_a_window_is_a_span_from_its_first_record_to_its_verdict(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    with running_collector() as collector:
        with running(msgspec.structs.replace(options, otlp_endpoint=collector.url)):
            feed.push(files[0])
            written = [text for pair in feed.window().items() for text in pair]
        window = decode_fields(Entry(b"1-1", written), DriftWindow)
        span = collector.span(lambda span: span.name == "close window")
    assert span.resource["service.name"] == "streamgauge-monitor"
    assert span.attributes["streamgauge.window"] == window.window
    assert span.attributes["streamgauge.state"] == window.state
    assert span.attributes["streamgauge.score"] == window.score
    assert span.attributes["streamgauge.model"] == window.model == "run0"
    assert span.start_ns == parse_entry_id(window.first_entry).ms * 1_000_000
    assert span.end_ns > span.start_ns


def test_a_window_without_usable_records_is_a_span_too_and_the_monitor_goes_on(
    options: Settings, feed: Feed, files: list[ModelFile]
) -> None:
    feed.registry.promote("run0", files[0], 0, "first")
    with running_collector() as collector:
        with running(msgspec.structs.replace(options, otlp_endpoint=collector.url)):
            feed.connection.call("XADD", feed.keys.partition(0).records, "*", "garbage", "1")
            first = feed.window()
            assert (first[b"first_entry"], first[b"skipped"]) == (b"", b"1")
            feed.push(files[0])
            second = feed.window()
        span = collector.span(lambda span: span.attributes.get("streamgauge.window") == 1)
    assert (first[b"window"], second[b"window"]) == (b"1", b"2")
    assert span.start_ns == span.end_ns
