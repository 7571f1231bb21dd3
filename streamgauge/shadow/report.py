"""What the command shows of a shadow, for people and as JSON."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from core.shadow_progress import ShadowProgress
from streamgauge.terminal_text import counted
from trainer.evaluation import Evaluation
from trainer.shadow import ShadowComparison

#: Figures by name, as the table has them.
_FIGURES = (
    ("log-loss", "log_loss"),
    ("accuracy", "accuracy"),
    ("AUC", "auc"),
    ("Brier", "brier"),
    ("recall", "recall"),
    ("precision", "precision"),
    ("calibration error", "expected_calibration_error"),
)


class ShadowReport(msgspec.Struct, frozen=True):
    """What a shadow did, and both models beside each other; ``--json`` prints it as it is."""

    comparison: ShadowComparison
    progress: ShadowProgress
    promoted: bool | None = None  #: None: nobody asked for it
    verdict: str = ""  #: what became of the candidate, where somebody asked


def progress_line(report: ShadowReport) -> str:
    """How far it is, in one line."""
    compared, progress = report.comparison, report.progress
    parts = [f"{counted(progress.answered_entries, 'entry', 'entries')} answered"]
    if progress.waiting_entries is None:
        parts.append("far behind")
    elif progress.waiting_entries:
        parts.append(f"{progress.waiting_entries:,} waiting")
    if progress.rejected_entries:
        parts.append(f"{progress.rejected_entries:,} of them unusable")
    if progress.missed_entries:
        parts.append(f"{progress.missed_entries:,} missed (trimmed before the shadow came to them)")
    parts.append(f"{compared.labelled_rows:,} of {compared.rows_seen:,} rows labelled")
    figures, others = compared.candidate_figures, compared.production_figures
    if figures is not None and others is not None:
        parts.append(f"log-loss {figures.log_loss:.4f} against {others.log_loss:.4f}")
    return "; ".join(parts)


def show_report(console: Console, report: ShadowReport) -> None:
    """Print it."""
    compared = report.comparison
    console.print(progress_line(report), markup=False)
    if compared.candidate_figures is not None and compared.production_figures is not None:
        title = f"{counted(compared.labelled_rows, 'labelled row')} since the shadow began"
        grid = Grid("", f"shadow {compared.run_id}", f"production {compared.production}", title=title)
        grid.title_justify = "left"
        for name, field in _FIGURES:
            grid.add_row(
                name, *(_figure(each, field) for each in (compared.candidate_figures, compared.production_figures))
            )
        console.print(grid)
    if report.promoted is not None:
        word = "promoted" if report.promoted else "not promoted"
        console.print(f"{word}: {report.verdict}", markup=False)
    elif compared.decision is not None:
        verdict = "would be promoted" if compared.decision.promote else "would not be promoted"
        console.print(f"{verdict}, by test {compared.look}: {compared.verdict}", markup=False)
    else:
        console.print(compared.verdict, markup=False)
    if not report.promoted and compared.decision is not None:
        following = counted(compared.next_look_rows, "labelled row")
        console.print(f"The next test is made at {following}; there are {compared.counted_rows:,} so far.")


def _figure(figures: Evaluation, field: str) -> str:
    value = getattr(figures, field)
    return "-" if value is None else f"{value:.4f}"
