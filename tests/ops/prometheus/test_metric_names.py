"""What real services expose passes promtool, and has all that rules, tests, runbooks and objectives look at."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.ops.prometheus.exposition import Exposition
from tests.ops.prometheus.observability import RULES, SHIPPED, broken, copied, records, unit_tests
from tests.ops.tools import CHECKOUT, program

#: A metric of ours with its selector, if it has one; a name behind a colon is part of a recorded one.
_SELECTED = re.compile(r"(?<![\w:])(streamgauge_\w+)(?!\w*:)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*(\"[^\"]*\"|%q)")
_RECORDED = re.compile(r"\bpipeline\w*:streamgauge_\w+:\w+")
#: Labels that the scrape adds.
_SCRAPED = {"job", "instance"}
#: Values of our own that no service can be made to expose in this test.
_NOT_SEEN = {"audit"}


def _series(texts: dict[str, str]) -> dict[str, dict[str, set[str]]]:
    """Values by label, by metric."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for text in texts.values():
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                for label, value in sample.labels.items():
                    found[sample.name][label].add(value)
    return found


def unknown(text: str, series: dict[str, dict[str, set[str]]]) -> set[str]:
    """What a text with PromQL names and no service exposes: metrics, labels, values."""
    wrong: set[str] = set(_RECORDED.findall(text)) - set(records())
    for name, selector in _SELECTED.findall(text):
        if name not in series:
            wrong.add(name)
            continue
        for label, quoted in _MATCHER.findall(selector):
            value = quoted.strip('"')
            if label in _SCRAPED or quoted == "%q" or label == "pipeline":
                continue
            if label not in series[name] or value not in series[name][label] | _NOT_SEEN:
                wrong.add(f"{name}{{{label}={value}}}")
    return wrong


@pytest.mark.parametrize("service", ["scorer", "monitor", "trainer"])
def test_promtool_accepts_what_each_service_exposes(exposition: Exposition, service: str) -> None:
    done = _checked(exposition[service])
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_a_metric_that_is_named_badly(exposition: Exposition) -> None:
    text = exposition["scorer"].replace("streamgauge_records_scored_total", "streamgauge_records_scored")
    assert _checked(text).returncode != 0
    assert _checked("no metric at all").returncode != 0


def _checked(text: str) -> subprocess.CompletedProcess[str]:
    command = [str(program("promtool")), "check", "metrics"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)


def test_rules_look_at_what_services_expose(exposition: Exposition) -> None:
    assert unknown((SHIPPED / RULES).read_text(encoding="utf-8"), _series(exposition)) == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("streamgauge_waiting", "streamgauge_awaiting"),
        ("streamgauge_end_to_end_seconds_bucket", "streamgauge_end_to_end_bucket"),
        ('outcome="failed"', 'outcome="error"'),
        ('detector!="unusable"', 'detector!="useless"'),
        ('state="insufficient"', 'status="insufficient"'),
        ("pipeline:streamgauge_unanswered:bool > 0", "pipeline:streamgauge_answered:bool > 0"),
    ],
)
def test_a_name_that_nobody_exposes_is_found(exposition: Exposition, tmp_path: Path, old: str, new: str) -> None:
    rules = broken(copied(tmp_path) / RULES, (old, new))
    assert unknown(rules.read_text(encoding="utf-8"), _series(exposition))


def test_runbooks_objectives_and_unit_tests_look_at_what_services_expose(exposition: Exposition) -> None:
    pages = [*(CHECKOUT / "docs" / "runbooks").glob("*.md"), CHECKOUT / "docs" / "operations" / "slo.md"]
    series = _series(exposition)
    for page in pages:
        assert unknown(page.read_text(encoding="utf-8"), series) == set(), page.name
    for path in unit_tests(SHIPPED):
        names = {name for name, _ in _SELECTED.findall(path.read_text(encoding="utf-8"))}
        assert names <= set(series), path.name
