"""What ``fit`` and ``import`` print of a run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid

from trainer.commands import FitReport


def print_report(report: FitReport, said: Sequence[str]) -> None:
    """The report for people; ``said`` are sentences that come before the warnings."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(report.class_note, markup=False)
    grid = Grid("rows", "log-loss", "accuracy", "AUC", title=f"run {report.run_id}", title_justify="left")
    for name, figures in (("train", report.train), ("validation", report.validation)):
        auc = "-" if figures.auc is None else f"{figures.auc:.4f}"
        grid.add_row(f"{name} {figures.rows}", f"{figures.log_loss:.4f}", f"{figures.accuracy:.4f}", auc)
    console.print(grid)
    console.print(report.calibration.reason, markup=False)
    point = report.operating_point
    console.print(
        f"Class 1 is predicted from probability {point.threshold:.3g} on: {point.rule.words}.", markup=False
    )
    for sentence in said:
        console.print(sentence, markup=False)
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    console.print(f"{'promoted' if report.promoted else 'not promoted'}: {report.verdict}", markup=False)
