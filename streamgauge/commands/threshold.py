"""The command that shows what thresholds make of a run, and gives production another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as Grid

from core.errors import SettingsError
from streamgauge.completion import run_ids
from streamgauge.options import (
    AsJson,
    CostFn,
    CostFp,
    MiniFlowDirectory,
    MinPrecision,
    MinRecall,
    Pipeline,
    RedisUrl,
    ThresholdBy,
    registry_settings,
)
from streamgauge.terminal_text import json_line
from trainer.commands import sweep_thresholds
from trainer.operating_point import OperatingPoint, ThresholdFigures
from trainer.threshold_change import ThresholdChange, set_threshold
from trainer.threshold_sweep import ThresholdSweep

#: Decimals of a threshold in the table: as many as tell two of them apart, between these.
LEAST_DIGITS, MOST_DIGITS = 3, 9


def threshold(
    run: Annotated[str | None, typer.Option(help="Run id (default: production).", autocompletion=run_ids)] = None,
    at: Annotated[str | None, typer.Option(help="Thresholds, by comma (default: .2,.35,.5,.65,.8).")] = None,
    by: ThresholdBy = None,
    cost_fn: CostFn = None,
    cost_fp: CostFp = None,
    min_recall: MinRecall = None,
    min_precision: MinPrecision = None,
    fixed: Annotated[float | None, typer.Option("--threshold", help="With --set: this threshold.")] = None,
    put: Annotated[
        bool, typer.Option("--set", help="Give the model in production this operating point, as a run of its own.")
    ] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Show what thresholds make of a run's held-out rows, and which is best by a rule; --set puts it to use.

    Example: streamgauge threshold --cost-fn 120 --cost-fp 18
    """
    settings = registry_settings(
        redis_url,
        pipeline,
        miniflow,
        threshold=fixed,
        threshold_by=by,
        cost_fn=cost_fn,
        cost_fp=cost_fp,
        min_recall=min_recall,
        min_precision=min_precision,
    )
    if put:
        if run is not None or at is not None:
            raise SettingsError("--set is for the model in production; leave out --run and --at")
        _told(set_threshold(settings), as_json=as_json)
        return
    if fixed is not None:
        raise SettingsError("--threshold alone changes nothing; add --set, or give --at to see what it does")
    found = sweep_thresholds(settings, run, None if at is None else _thresholds(at))
    if as_json:
        typer.echo(json_line(found))
        return
    console = Console(highlight=False, soft_wrap=True)
    told = "" if found.calibration is None else f", {found.calibration} calibration"
    told += ", cost a row" if any(row.cost is not None for row in found.thresholds) else ""
    console.print(
        f"run {found.run_id}: {found.rows} held-out rows, {found.class1_rows} of class 1{told}", markup=False
    )
    console.print(_grid(found))
    if found.best is not None:
        console.print(_best(found, found.best), markup=False)


def _told(change: ThresholdChange, *, as_json: bool) -> None:
    """What became of ``--set``."""
    if as_json:
        typer.echo(json_line(change))
        return
    if change.production.run_id == change.of_run:
        typer.echo(f"run {change.of_run} has this operating point already. {change.point.reason}")
        return
    typer.echo(
        f"run {change.production.run_id} is in production, epoch {change.production.epoch}: the model of run "
        f"{change.of_run}, which predicted class 1 from probability {change.before:.3g} on. {change.point.reason}"
    )


def _thresholds(text: str) -> list[float]:
    found = []
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = float("nan")
        if not 0 <= value <= 1:
            raise SettingsError(f"--at holds {part!r}; give thresholds from 0 to 1, by comma")
        found.append(value)
    return found


def _grid(found: ThresholdSweep) -> Grid:
    costs = any(row.cost is not None for row in found.thresholds)
    titles = ["from p", "", "TP", "FP", "FN", "TN", "precision", "recall", "accuracy", "F1", "MCC"]
    grid = Grid(*titles, *(["cost"] * costs), box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in grid.columns:
        column.no_wrap = True
        column.justify = "right"
    digits = _digits([row.threshold for row in found.thresholds])
    for row in found.thresholds:
        counts = (row.true_positives, row.false_positives, row.false_negatives, row.true_negatives)
        figures = (row.precision, row.recall, row.accuracy, row.f1, row.mcc)
        cells = [f"{row.threshold:.{digits}f}", _role(row, found), *(str(count) for count in counts)]
        cells += ["-" if figure is None else f"{figure:.3f}" for figure in figures]
        grid.add_row(*cells, *([] if row.cost is None else [_cost(row.cost, found)]))
    return grid


def _digits(thresholds: Sequence[float]) -> int:
    """Decimals that tell the thresholds apart, and the least of them from 0."""
    for digits in range(LEAST_DIGITS, MOST_DIGITS):
        shown = {threshold: f"{threshold:.{digits}f}" for threshold in thresholds}
        apart = len(set(shown.values())) == len(shown)
        if apart and all(float(text) > 0 for threshold, text in shown.items() if threshold > 0):
            return digits
    return MOST_DIGITS


def _cost(cost: float, found: ThresholdSweep) -> str:
    """With as many decimals as give the largest cost of the table four digits, so that they stand in line."""
    largest = max(row.cost or 0.0 for row in found.thresholds)
    before = len(f"{largest:.0f}") if largest >= 1 else 0
    return f"{cost:.{max(4 - before, 0)}f}" if largest >= 0.01 else f"{cost:.3e}"


def _role(row: ThresholdFigures, found: ThresholdSweep) -> str:
    """What the threshold is: the model's own (now), the neutral one by costs, the best by the rule."""
    best = None if found.best is None else found.best.threshold
    roles = (("now", found.threshold), ("neutral", found.neutral), ("best", best))
    return ", ".join(name for name, threshold in roles if row.threshold == threshold)


def _best(found: ThresholdSweep, point: OperatingPoint) -> str:
    """Why it is that one, how far its figures may be trusted, and how to have it."""
    fair = point.cross_validated
    if not found.held_out:
        words = f"Chosen on {point.rows} other rows; those of the table had no part in it."
    elif fair is not None and fair.cost is not None:
        words = f"Chosen on these rows, so the table flatters it: cost {fair.cost:.4g} a row cross-validated."
    elif fair is not None:
        figures = (("precision", fair.precision), ("recall", fair.recall), ("F1", fair.f1))
        told = ", ".join(f"{name} {figure:.3f}" for name, figure in figures if figure is not None)
        words = f"Chosen on these rows, so the table flatters it: {told} cross-validated."
    else:
        words = "Chosen on these rows, so the table flatters it."
    return f"{point.reason} {words} Add --set to give it to the model in production."
