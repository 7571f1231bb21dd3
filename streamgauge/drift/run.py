"""Judge a whole file, with progress while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskProgressColumn, TextColumn

from core.settings import Settings
from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.file_window import FileWindow
from streamgauge.drift.history import History
from streamgauge.drift.judging import FileJudge
from streamgauge.drift.reference import Reference
from streamgauge.drift.source import RowSource, open_rows
from streamgauge.terminal_text import counted

Listener = Callable[[FileWindow], None]


def judge_file(csv: Path, reference: Reference, settings: Settings, aside: Console, listener: Listener) -> History:
    """Judge a file; ``listener`` is told every window as it closes, ``aside`` shows how far it is.

    Raises
    ------
    DataError
        A file that cannot be used, or that lacks a column of the reference.
    """
    model = reference.file.model
    history = History(model.schema.features)
    with open_rows(csv, reference.label) as rows, _progress(aside, rows) as report:
        rows.check_features(model.schema.features)
        label_column = rows.label_column if reference.labelled else None
        labels = label_column is not None
        judge = FileJudge(reference, settings, labels=labels)
        entries = rows.entries(model, settings.max_entry_bytes, labels=labels)
        for window in judge.windows(entries):
            history.add(window)
            listener(window)
            report(judge.records, history.alarms)
        history.records, history.skipped = judge.records, rows.rows_read - judge.records
        if label_column is not None:
            history.labels = FileLabels(
                column=label_column,
                tested=judge.labels_tested,
                unknown=rows.unknown_labels,
                log_loss=judge.log_loss,
                reference_log_loss=reference.file.concept.log_loss,
            )
    return history


@contextmanager
def _progress(console: Console, rows: RowSource) -> Iterator[Callable[[int, int], None]]:
    """A bar over the bytes of a file, a spinner where the end is not known; nothing where nobody watches."""
    bar: list[ProgressColumn] = [SpinnerColumn()]
    if rows.size_bytes is not None:
        bar += [BarColumn(), TaskProgressColumn()]
    with Progress(
        *bar, TextColumn("{task.description}"), console=console, disable=not console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task("0 records", total=rows.size_bytes)

        def report(records: int, alarms: int) -> None:
            said = f"{counted(records, 'record')}, {counted(alarms, 'alarm')}"
            progress.update(task, completed=rows.bytes_read, description=said)

        yield report
