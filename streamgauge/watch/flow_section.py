"""What flows, who works on it, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from core.keys import SCORERS
from monitor.live.flow import Flow, GroupBacklog, Refused, WorkerView
from streamgauge.terminal_text import counted, printable, shortened
from streamgauge.watch.glyphs import Glyphs
from streamgauge.watch.text import (
    ALARM,
    CALM,
    DATA,
    QUIET,
    STRONG,
    WARN,
    Section,
    amount,
    clock,
    duration,
    flowed,
    padded,
    plain,
    styled,
    title,
)

#: A backlog older than this is worth a colour: answers come later than people wait.
LATE_S = 10.0
#: Columns that a name of a worker or group takes.
NAME = 28
#: Reasons of rejections that a line names.
REASONS = 4


def flow_section(flow: Flow, glyphs: Glyphs) -> Section:
    """Rates, backlog, workers, rejections; with more room each worker, group and rejection by itself."""
    details = len(flow.workers) + len(flow.groups) + len(flow.rejected_newest)
    wish = 4 + bool(flow.rejected_total)

    def draw(width: int, rows: int) -> list[Text]:
        aside = counted(flow.partitions, "partition") if flow.partitions else ""
        lines = [title("Now", width, glyphs, aside)]
        for parts in (_rates(flow), _backlog(flow), _workers(flow), _reasons(flow)):
            lines += flowed(parts, width, glyphs.gap, indent=2) if parts else []
        room = rows - len(lines)
        if room >= details + 2 and flow.workers:
            names = [worker.name for worker in flow.workers] + [group.group for group in flow.groups]
            most = min(NAME, max(cell_len(printable(name)) for name in names))
            lines += [_worker(worker, most) for worker in flow.workers]
            lines += [_group(group, most) for group in flow.groups]
        if flow.rejected_total:
            lines += [_refused(refused) for refused in flow.rejected_newest[: max(rows - len(lines), 0)]]
        return lines[:rows]

    return Section(4, wish + bool(flow.rejected_newest), wish + details + 2, draw)


def _rates(flow: Flow) -> list[Text]:
    about = "about " if flow.estimated else ""
    refused = ALARM if flow.rejections_per_s else DATA
    return [
        Text("in ").append(f"{about}{amount(flow.records_per_s)}", style=DATA).append(" records/s"),
        Text("out ").append(f"{about}{amount(flow.predictions_per_s)}", style=DATA).append(" predictions/s"),
        Text("rejected ").append(f"{amount(flow.rejections_per_s)}/s", style=refused),
    ]


def _backlog(flow: Flow) -> list[Text]:
    line = Text("backlog ")
    if not flow.backlog_records:
        line.append("none", style=CALM)
    else:
        style = WARN if flow.backlog_age_s > LATE_S else DATA
        line.append(
            f"{amount(flow.backlog_records)} records, the oldest {duration(flow.backlog_age_s)}", style=style
        )
    parts = [line]
    pending = sum(group.pending_entries for group in flow.groups if group.group == SCORERS)
    if pending:
        parts.append(Text(f"{counted(pending, 'entry', 'entries')} at work"))
    behind_s = flow.monitor_behind_s
    return [*parts, Text(f"monitor {duration(behind_s)} behind" if behind_s else "monitor keeps up")]


def _workers(flow: Flow) -> list[Text]:
    return [Text("workers ").append_text(_service("scorer", flow.workers)), _service("trainer", flow.workers)]


def _service(service: str, workers: Sequence[WorkerView]) -> Text:
    states = Counter(worker.state for worker in workers if worker.service == service)
    working = states["working"]
    line = Text()
    line.append(f"{counted(working, service)} working", style=CALM if working else ALARM)
    if states["silent"]:
        line.append(f", {states['silent']} SILENT", style=ALARM)
    if states["left"]:
        line.append(f", {states['left']} left", style=QUIET)
    return line


def _reasons(flow: Flow) -> list[Text]:
    if not flow.rejected_total:
        return []
    most = sorted(flow.rejected_reasons.items(), key=lambda item: -item[1])[:REASONS]
    told = ", ".join(f"{count} {shortened(reason, NAME)}" for reason, count in most)
    parts = [Text("rejected ").append(f"{flow.rejected_total:,} so far", style=WARN)]
    return [*parts, Text(f"newest: {told}")] if told else parts


def _worker(worker: WorkerView, most: int) -> Text:
    style = {"working": CALM, "silent": ALARM, "left": QUIET}[worker.state]
    line = Text(f"  {padded(worker.name, most)} ", no_wrap=True)
    line.append(f"{worker.service} {worker.state}", style=style)
    line.append(f", heard of {duration(worker.seen_s)} ago", style=QUIET)
    held = f", {counted(worker.pending_entries, 'entry', 'entries')} in hand" if worker.pending_entries else ""
    return line.append(held, style=QUIET)


def _group(group: GroupBacklog, most: int) -> Text:
    line = Text(f"  {padded(group.group, most)} ", no_wrap=True)
    unread = counted(group.not_read_entries, "entry", "entries")
    line.append(f"{unread} in its open window" if group.open_window else f"{unread} not read")
    line.append(f", {group.pending_entries:,} pending", style=QUIET)
    return line.append("" if group.required else ", not required", style=QUIET)


def _refused(refused: Refused) -> Text:
    line = styled(f"  {clock(refused.ts_ms)} ", QUIET)
    line.append(shortened(refused.id or refused.record, NAME), style=STRONG)
    return line.append(" ").append_text(plain(f"{refused.reason}: {refused.detail}", WARN))
