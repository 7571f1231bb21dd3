"""What ``fit`` and ``import`` print of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.table import Table as Grid

from core.settings import Settings
from streamgauge.drift.expectation import brief_expectation
from streamgauge.drift.reference import TrainingRows, rows_sampled, rows_trained_on
from streamgauge.terminal_text import json_line
from trainer.commands import FitReport
from trainer.fit import FittedModel
from trainer.table import Table


@dataclass(frozen=True)
class FitOutput:
    """What a command that made a model says: its report, and for people what to expect of its drift reference."""

    settings: Settings
    ordered: bool  #: whether the order of the rows is that of time
    as_json: bool
    said: list[str] = field(default_factory=list)

    def expect(self, table: Table, fitted: FittedModel) -> None:
        """Work out what to expect of a model that was trained on a table."""
        self._expect(fitted, rows_trained_on(table, fitted.holdout_rows, ordered=self.ordered))

    def expect_of_sample(self, fitted: FittedModel) -> None:
        """The same of one that was trained in blocks, by the rows it kept."""
        if fitted.sample is not None:
            self._expect(fitted, rows_sampled(fitted.sample, ordered=self.ordered))

    def show(self, report: FitReport) -> None:
        """Print the report."""
        if self.as_json:
            typer.echo(json_line(report))
        else:
            print_report(report, self.said)

    def _expect(self, fitted: FittedModel, rows: TrainingRows) -> None:
        if not self.as_json:
            self.said.append(brief_expectation(fitted.file, rows.of(fitted.file), self.settings))


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
