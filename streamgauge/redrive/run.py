"""What ``streamgauge redrive`` does: list, export, or send again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import track

from core.connection import Connection
from core.errors import BacklogFull, DataError, RecordError, SettingsError
from core.pipeline_config import PipelineConfig
from streamgauge.redrive.lines import RejectionLine, line_of, read_lines
from streamgauge.redrive.report import Listed, Report, listing
from streamgauge.redrive.selection import DamagedEntry, RejectedEntry, Selection
from streamgauge.redrive.sender import Left, Redrive
from streamgauge.terminal_text import json_line

#: Rejections by partition and entry id, as a file has corrected them.
Lines = dict[tuple[int, str], RejectionLine]


def chosen(
    connection: Connection, config: PipelineConfig, selection: Selection, count: int | None
) -> Iterator[RejectedEntry | DamagedEntry]:
    """The rejections that are meant, at most ``count``. Raises SettingsError for what cannot be meant."""
    if count is not None and count < 1:
        raise SettingsError(f"--count is {count}; choose 1 or more")
    last = len(config.partitions) - 1
    if selection.partition is not None and not 0 <= selection.partition <= last:
        raise SettingsError(f"--partition is {selection.partition}; choose 0 to {last}")
    return islice(selection.read(connection, config.partitions), count)


def list_rejections(found: Iterable[RejectedEntry | DamagedEntry]) -> list[Listed]:
    """Rejections as ``--list`` shows them."""
    return [listing(one) for one in found]


def export(redrive: Redrive, found: Iterable[RejectedEntry | DamagedEntry], path: str) -> Report:
    """Write rejections as JSON lines to a file, or to standard output for ``-``; changes nothing in the pipeline.

    Raises
    ------
    DataError
        A file that cannot be written.
    """
    report = Report(dry_run=True)
    try:
        with _output(path) as file:
            for one in found:
                report.rejections += 1
                _export_one(redrive, one, file, report)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}); choose another --export") from error
    return report


def read_corrected(path: str, config: PipelineConfig) -> Lines:
    """The lines of an export after they were corrected. Raises DataError for a file that cannot be used."""
    try:
        text = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); correct --from") from error
    lines = read_lines(text, "standard input" if path == "-" else path)
    for number, rejection in lines:
        if number >= len(config.partitions):
            raise DataError(f"rejection {rejection} is of partition {number}, which this pipeline does not have")
    return lines


def send(redrive: Redrive, found: Iterable[RejectedEntry | DamagedEntry], console: Console) -> Report:
    """Send them, with progress on ``console``; a full backlog ends it early, and the report says so."""
    report = Report(dry_run=redrive.dry_run)
    watched = track(
        redrive.run(found),
        "checking" if redrive.dry_run else "sending",
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        for outcome in watched:
            report.add(outcome)
    except BacklogFull as full:
        report.stopped = f"{full}, then run this again: what was not sent is still rejected"
    else:
        report.gone += redrive.expected - report.rejections if redrive.expected else 0
    return report


@contextmanager
def _output(path: str) -> Iterator[TextIO]:
    if path == "-":
        yield sys.stdout
        return
    with Path(path).open("w", encoding="utf-8") as file:
        yield file


def _export_one(redrive: Redrive, one: RejectedEntry | DamagedEntry, file: TextIO, report: Report) -> None:
    place = (one.partition.number, one.entry_id.decode())
    if isinstance(one, DamagedEntry):
        report.left.append(Left(*place, "", one.why))
    else:
        try:
            line = line_of(one, redrive.draft(one))
        except RecordError as error:
            report.left.append(Left(*place, one.rejection.reason, error.detail))
        else:
            file.write(json_line(line) + "\n")
            report.sent_records += one.rejection.count
            report.sent_entries += 1
    report.left_entries = len(report.left)
