"""What a report says of its targets, and the documents that it writes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import report as report_module
from bench.report import Report


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(report_module, "OUT", tmp_path)
    return Report("suite", "python -m bench", 7)


@pytest.mark.parametrize(("value", "met"), [(99.0, False), (100.0, True), (101.0, True)])
def test_a_value_must_reach_a_target_that_is_a_lower_bound(report: Report, value: float, met: bool) -> None:
    report.add("speed", value, "records/s", at_least=100)
    assert report.results[0].met is met


@pytest.mark.parametrize(("value", "met"), [(63.0, True), (64.0, True), (65.0, False)])
def test_a_value_must_not_exceed_a_target_that_is_an_upper_bound(report: Report, value: float, met: bool) -> None:
    report.add("memory", value, "MiB", at_most=64)
    assert report.results[0].met is met


@pytest.mark.parametrize(("value", "ratio", "met"), [(30.0, 3.0, True), (20.0, 2.0, False)])
def test_beside_a_peer_the_lower_bound_is_for_the_ratio(
    report: Report, value: float, ratio: float, met: bool
) -> None:
    report.add("speed", value, "records/s", ("peer", 10.0), at_least=2.5)
    assert (report.results[0].ratio, report.results[0].met) == (ratio, met)


@pytest.mark.parametrize(("value", "met"), [(30.0, True), (31.0, False)])
def test_beside_a_peer_the_upper_bound_is_for_the_ratio(report: Report, value: float, met: bool) -> None:
    report.add("latency", value, "us", ("peer", 10.0), at_most=3)
    assert report.results[0].met is met


def test_without_a_target_nothing_is_met_or_missed(report: Report) -> None:
    report.add("speed", 1.0, "records/s", ("peer", 2.0))
    assert (report.results[0].ratio, report.results[0].target, report.results[0].met) == (0.5, None, None)


@pytest.mark.parametrize(("value", "peer_value"), [(1.0, None), (None, 1.0)])
def test_what_was_not_measured_has_no_ratio_and_meets_nothing(
    report: Report, value: float | None, peer_value: float | None
) -> None:
    report.add("speed", value, "records/s", ("not installed: no network", peer_value), at_least=2)
    result = report.results[0]
    assert (result.ratio, result.target, result.met) == (None, 2, None)


@pytest.mark.parametrize("value", [1.0, 5.0])
def test_a_target_says_which_side_of_it_is_the_good_one(report: Report, value: float) -> None:
    report.add("speed", value, "records/s", at_least=2)
    report.add("memory", value, "MiB", at_most=2)
    assert [result.bound for result in report.results] == ["at least 2", "at most 2"]


def test_the_document_has_the_agreed_shape(report: Report) -> None:
    report.add("speed", 30.0, "records/s", ("peer", 10.0), at_least=2)
    report.add("memory", 50.0, "MiB")
    document = msgspec.json.decode(report.write().read_bytes())
    assert set(document) == {"command", "seed", "versions", "machine", "results"}
    assert (document["command"], document["seed"]) == ("python -m bench", 7)
    assert document["versions"]["python"]
    assert document["machine"]["cores"]
    assert document["results"] == [
        {
            "name": "speed",
            "value": 30.0,
            "unit": "records/s",
            "peer": "peer",
            "peer_value": 10.0,
            "ratio": 3.0,
            "target": 2,
            "met": True,
        },
        {
            "name": "memory",
            "value": 50.0,
            "unit": "MiB",
            "peer": None,
            "peer_value": None,
            "ratio": None,
            "target": None,
            "met": None,
        },
    ]


def test_the_document_is_named_after_the_suite(report: Report, tmp_path: Path) -> None:
    assert report.write() == tmp_path / "suite.json"
