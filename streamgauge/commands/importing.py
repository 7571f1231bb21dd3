"""The command that takes over a model from scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamgauge.commands.models import NewSchema
from streamgauge.fit_output import FitOutput
from streamgauge.options import (
    AsJson,
    CalibrateImported,
    CostFn,
    CostFp,
    MiniFlowDirectory,
    MinPrecision,
    MinRecall,
    Pipeline,
    RedisUrl,
    TableSeed,
    Threshold,
    ThresholdBy,
    Unordered,
    registry_settings,
)
from trainer.imported.command import import_model as import_into_registry


def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The model as JSON: docs/importing.md.")],
    data: Annotated[Path, typer.Option(help="CSV file with rows that the model should meet.")],
    label: Annotated[str, typer.Option(help="Column with the class, in both files.")],
    holdout: Annotated[
        Path | None,
        typer.Option(help="CSV file with rows that the model was not trained on (default: a fifth of --data)."),
    ] = None,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="The model was not trained on the rows of --data.")
    ] = False,
    positive: Annotated[
        str | None, typer.Option(help="Value that is class 1 (default: the model's second class).")
    ] = None,
    seed: TableSeed = None,
    calibrate: CalibrateImported = None,
    threshold: Threshold = None,
    threshold_by: ThresholdBy = None,
    cost_fn: CostFn = None,
    cost_fp: CostFp = None,
    min_recall: MinRecall = None,
    min_precision: MinPrecision = None,
    new_schema: NewSchema = False,
    unordered: Unordered = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Take over a scikit-learn LogisticRegression, log the run, promote it if it is better. Needs no Redis.

    Example: streamgauge import model.json --data raisin.csv --label Class
    """
    settings = registry_settings(
        redis_url,
        pipeline,
        miniflow,
        seed=seed,
        calibrate=calibrate,
        threshold=threshold,
        threshold_by=threshold_by,
        cost_fn=cost_fn,
        cost_fp=cost_fp,
        min_recall=min_recall,
        min_precision=min_precision,
    )
    output = FitOutput(settings, not unordered, as_json)
    report = import_into_registry(
        file,
        data,
        label,
        positive,
        settings,
        holdout=holdout,
        unseen=unseen,
        new_schema=new_schema,
        ordered=output.ordered,
        on_fitted=output.expect,
    )
    output.show(report)
