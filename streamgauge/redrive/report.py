"""What a redrive prints: a list of rejections, or what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from core.entry import parse_entry_id
from streamgauge.redrive.selection import DamagedEntry, RejectedEntry
from streamgauge.redrive.sender import Left, Outcome
from streamgauge.terminal_text import printable

#: Rejections that were left and are told one by one.
SHOWN_LEFT = 10
NONE_FOUND = "no rejections (of those that were asked for)"


class Listed(msgspec.Struct, frozen=True):
    """A rejection as ``--list`` shows it."""

    partition: int
    rejection: str
    ts_ms: int
    record: str
    ids: list[str]
    records: int
    reason: str
    detail: str


class Report(msgspec.Struct):
    """What a run did; ``--json`` prints it as it is."""

    dry_run: bool
    rejections: int = 0
    sent_entries: int = 0
    sent_records: int = 0
    gone: int = 0
    left_entries: int = 0
    left: list[Left] = []
    stopped: str | None = None  #: why it ended before the last rejection

    def add(self, outcome: Outcome) -> None:
        """Count one rejection."""
        self.rejections += 1
        self.sent_records += outcome.records
        self.sent_entries += outcome.records > 0
        self.gone += outcome.gone
        if outcome.left is not None:
            self.left_entries += 1
            self.left.append(outcome.left)


def listing(found: RejectedEntry | DamagedEntry) -> Listed:
    """One rejection for the list."""
    rejection_id = found.entry_id.decode()
    place = (found.partition.number, rejection_id, parse_entry_id(rejection_id).ms)
    if isinstance(found, DamagedEntry):
        return Listed(*place, "", [], 0, "damaged", found.why)
    ids = [record_id.decode("utf-8", "backslashreplace") for record_id in found.record_ids]
    rejection = found.rejection
    return Listed(*place, rejection.record.decode(), ids, rejection.count, rejection.reason, rejection.detail)


def show_list(console: Console, listed: Iterable[Listed]) -> None:
    """Print a table of rejections, oldest first."""
    shown = list(listed)
    if not shown:
        console.print(NONE_FOUND)
        return
    grid = Grid("rejection", "UTC", "id", "reason", "detail", box=None, pad_edge=False)
    for one in shown:
        when = datetime.fromtimestamp(min(one.ts_ms, 2**45) / 1000, tz=UTC).strftime("%m-%d %H:%M:%S")
        more = f" and {one.records - 1} more" if one.records > 1 else ""
        record_id = (printable(one.ids[0], 40) if one.ids else "") + more
        grid.add_row(
            f"{one.partition}/{one.rejection}", when, record_id, printable(one.reason, 40), printable(one.detail)
        )
    for column in grid.columns[:-1]:
        column.no_wrap = True
    console.print(grid)
    reasons = Counter(one.reason for one in shown)
    console.print(", ".join(f"{count} {printable(reason)}" for reason, count in reasons.most_common()))


def show_report(console: Console, report: Report) -> None:
    """Print what a run did."""
    verb = "would be sent again" if report.dry_run else "sent again"
    if not (report.rejections or report.gone or report.stopped):
        console.print(NONE_FOUND)
        return
    console.print(f"{report.sent_records} records of {report.sent_entries} rejections {verb}")
    if report.gone:
        console.print(
            f"{report.gone} rejections are no longer there; another run has sent them, or they were trimmed"
        )
    _show_left(console, report)
    if report.left_entries:
        console.print("correct those with --set, --rename, --drop, or with --export and --from")
    if report.stopped is not None:
        console.print(report.stopped, style="yellow")


def show_export(console: Console, report: Report, path: str) -> None:
    """Print what was exported."""
    where = "standard output" if path == "-" else path
    console.print(
        f"{report.sent_records} records of {report.sent_entries} rejections are in {where}; correct them there, "
        "then send them with --from"
    )
    _show_left(console, report)


def _show_left(console: Console, report: Report) -> None:
    for left in report.left[:SHOWN_LEFT]:
        place = f"{left.partition}/{left.rejection}"
        console.print(f"  left {place}: {printable(left.why, 300)}", style="yellow")
    if report.left_entries > SHOWN_LEFT:
        console.print(f"  and {report.left_entries - SHOWN_LEFT} more were left; --json tells each")
