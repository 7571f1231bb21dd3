"""The command that judges a way to train."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Grid

from core.errors import SettingsError
from core.settings import load_settings
from streamgauge.options import (
    AsJson,
    CalibrateAnew,
    ClassWeight,
    CostFn,
    CostFp,
    CsvFile,
    InverseL2,
    MinPrecision,
    MinRecall,
    Solver,
    SplitOption,
    ThresholdBy,
    split_kind,
)
from streamgauge.terminal_text import json_line
from trainer.validation import ValidationReport, validate_table

#: Ten folds train on nine tenths of the rows, nearly as many as a model for use will have.
FOLDS = 10


def validate(
    csv: CsvFile,
    label: Annotated[str, typer.Option(help="Column with the class.")],
    positive: Annotated[
        str | None, typer.Option(help="Value that is class 1 (default: the second by alphabet).")
    ] = None,
    folds: Annotated[int, typer.Option(help="How many parts of the rows judge in turn.")] = FOLDS,
    repeats: Annotated[int, typer.Option(help="Draw the folds so many times, from --seed on.")] = 1,
    split: SplitOption = "stratified",
    gap: Annotated[int, typer.Option(help="Rows before each fold in time that do not train either.")] = 0,
    choose_penalty: Annotated[
        bool, typer.Option("--choose-penalty", help="Choose inverse_l2 inside each fold, by log-loss.")
    ] = False,
    inverse_l2: InverseL2 = None,
    class_weight: ClassWeight = None,
    solver: Solver = None,
    seed: Annotated[int | None, typer.Option(help="Draws the folds.")] = None,
    calibrate: CalibrateAnew = None,
    threshold: Annotated[float | None, typer.Option(help="Predict class 1 from this probability on.")] = None,
    threshold_by: ThresholdBy = None,
    cost_fn: CostFn = None,
    cost_fp: CostFp = None,
    min_recall: MinRecall = None,
    min_precision: MinPrecision = None,
    as_json: AsJson = False,
) -> None:
    """Judge a way to train on every row of a CSV file, by models that did not see the row. Logs nothing.

    Example: streamgauge validate raisin.csv --label Class --repeats 5
    """
    if choose_penalty and inverse_l2 is not None:
        raise SettingsError(
            "--choose-penalty chooses inverse_l2 itself; leave out --inverse-l2 or --choose-penalty"
        )
    settings = load_settings(
        {
            "solver": solver,
            "seed": seed,
            "inverse_l2": inverse_l2,
            "class_weight": class_weight,
            "calibrate": calibrate,
            "threshold": threshold,
            "threshold_by": threshold_by,
            "cost_fn": cost_fn,
            "cost_fp": cost_fp,
            "min_recall": min_recall,
            "min_precision": min_precision,
        }
    )
    told = Console(stderr=True)
    with Progress(console=told, transient=True, disable=not told.is_terminal) as progress:
        task = progress.add_task("folds", total=max(folds * repeats, 1))
        report = validate_table(
            csv,
            label,
            positive,
            settings,
            folds=folds,
            repeats=repeats,
            order=split_kind(split),
            gap=gap,
            choose_penalty=choose_penalty,
            on_fold=lambda: progress.advance(task),
        )
    if as_json:
        typer.echo(json_line(report))
        return
    _show(report)


def _show(report: ValidationReport) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(report.class_note, markup=False)
    how = "in time" if report.order == "time" else "stratified"
    times = f", drawn {report.repeats} times" if report.repeats > 1 else ""
    console.print(f"{report.judged_rows} of {report.rows} rows judged in {report.folds} folds, {how}{times}")
    grid = Grid("", "mean", "SD of folds", "least", "most", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in grid.columns[1:]:
        column.justify = "right"
    for name, spread in report.figures.items():
        figures = (spread.mean, spread.standard_deviation, spread.least, spread.most)
        grid.add_row(name.replace("_", " "), *(f"{figure:.4f}" for figure in figures))
    console.print(grid)
    console.print(
        f"calibration error {report.expected_calibration_error:.4f}, all folds together; a perfect model's is "
        f"{report.calibration_error_floor:.4f} by chance"
    )
    for what, counts in (("inverse_l2", report.inverse_l2), ("calibration", report.calibration)):
        told = ", ".join(f"{name} in {count}" for name, count in counts.items())
        console.print(f"{what}: {told} of {report.folds * report.repeats} folds")
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)
