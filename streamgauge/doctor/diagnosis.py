"""The whole examination; it only reads."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.console import Console

from core.connection import Connection, without_password
from core.settings import Settings
from streamgauge.doctor.finding import Finding, guarded
from streamgauge.doctor.readers import check_consumers, check_groups
from streamgauge.doctor.results import check_model, check_monitor, check_rejected, check_unmatched
from streamgauge.doctor.server import check_clocks, check_servers
from streamgauge.doctor.set_up import check_cluster, check_ids, check_types, find_config
from streamgauge.doctor.trainer import check_trainer
from streamgauge.terminal_text import counted, printable

_STYLES = {"ok": "green", "warn": "yellow", "wrong": "red"}
#: Longest sentence that is shown.
_MOST = 1_000


class Diagnosis(msgspec.Struct, frozen=True):
    """What ``streamgauge doctor`` shows; ``--json`` prints it as it is."""

    pipeline: str
    redis_url: str
    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether there is nothing to do."""
        return all(finding.level == "ok" for finding in self.findings)


def examine(connection: Connection, settings: Settings) -> Diagnosis:
    """Look at the servers and one pipeline. Raises what a lost connection raises."""
    return Diagnosis(settings.pipeline, without_password(connection.url), list(_findings(connection, settings)))


def show_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """Print it: a line a finding, and under it what to do."""
    console.print(f"pipeline {diagnosis.pipeline} on {diagnosis.redis_url}")
    for finding in diagnosis.findings:
        console.print(
            f"{finding.level:5} {finding.about}: {printable(finding.what, _MOST)}", style=_STYLES[finding.level]
        )
        if finding.do:
            console.print(f"      {printable(finding.do, _MOST)}")
    count = sum(finding.level != "ok" for finding in diagnosis.findings)
    console.print("nothing to do" if diagnosis.healthy else f"{counted(count, 'thing')} to look at")


def _findings(connection: Connection, settings: Settings) -> Iterator[Finding]:
    keys = settings.keys
    yield from guarded("server", lambda: check_servers(connection))
    yield from guarded("clock", lambda: check_clocks(connection, settings))
    config = None

    def the_config() -> Iterator[Finding]:
        nonlocal config
        config, finding = find_config(connection, settings)
        yield finding

    yield from guarded("config", the_config)
    if config is None:
        yield from guarded("types", lambda: check_types(connection, keys, keys.partitions(1)))
        return
    found, partitions = config, config.partitions
    yield from guarded("types", lambda: check_types(connection, keys, partitions))
    yield from guarded("ids", lambda: check_ids(connection, keys, partitions))
    yield from guarded("cluster", lambda: check_cluster(connection, partitions))
    yield from guarded("groups", lambda: check_groups(connection, settings, found))
    yield from guarded("scorers", lambda: check_consumers(connection, settings, found))
    yield from guarded("model", lambda: check_model(connection, keys))
    yield from guarded("monitor", lambda: check_monitor(connection, settings, partitions))
    yield from guarded("trainer", lambda: check_trainer(connection, keys))
    yield from guarded("rejected", lambda: check_rejected(connection, partitions))
    yield from guarded("unmatched", lambda: check_unmatched(connection, keys))
