"""Commands about models: fit, promote, rollback, retrain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from core.errors import DataError
from streamgauge.commands.answer import answer
from streamgauge.completion import run_ids
from streamgauge.fit_output import FitOutput
from streamgauge.options import (
    AsJson,
    Calibrate,
    ClassWeight,
    CostFn,
    CostFp,
    CsvFile,
    InverseL2,
    MiniFlowDirectory,
    MinPrecision,
    MinRecall,
    Pipeline,
    RedisUrl,
    Solver,
    SplitOption,
    TableSeed,
    Threshold,
    ThresholdBy,
    Unordered,
    registry_settings,
    server_settings,
    split_kind,
)
from trainer import commands
from trainer.block_entry import fit_table_in_blocks

NewSchema = Annotated[
    bool,
    typer.Option(
        "--new-schema",
        help="Accept a model with other features than production, or in the place of one that this version cannot "
        "read.",
    ),
]


def fit(
    csv: CsvFile,
    label: Annotated[str, typer.Option(help="Column with the class.")],
    positive: Annotated[
        str | None, typer.Option(help="Value that is class 1 (default: the second by alphabet).")
    ] = None,
    solver: Solver = None,
    inverse_l2: InverseL2 = None,
    class_weight: ClassWeight = None,
    seed: TableSeed = None,
    calibrate: Calibrate = None,
    threshold: Threshold = None,
    threshold_by: ThresholdBy = None,
    cost_fn: CostFn = None,
    cost_fp: CostFp = None,
    min_recall: MinRecall = None,
    min_precision: MinPrecision = None,
    new_schema: NewSchema = False,
    unordered: Unordered = False,
    split: SplitOption = "stratified",
    blocks: Annotated[
        bool, typer.Option("--blocks", help="More rows than memory holds: read the file anew for every pass.")
    ] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Train on a CSV file, log the run, promote it if it is better. Needs no Redis.

    Example: streamgauge fit raisin.csv --label Class --positive Besni
    """
    settings = registry_settings(
        redis_url,
        pipeline,
        miniflow,
        solver=solver,
        inverse_l2=inverse_l2,
        class_weight=class_weight,
        seed=seed,
        calibrate=calibrate,
        threshold=threshold,
        threshold_by=threshold_by,
        cost_fn=cost_fn,
        cost_fp=cost_fp,
        min_recall=min_recall,
        min_precision=min_precision,
    )
    output, kind = FitOutput(settings, not unordered, as_json), split_kind(split)
    if blocks:
        report = fit_table_in_blocks(
            *(csv, label, positive, settings),
            new_schema=new_schema,
            ordered=output.ordered,
            split=kind,
            on_fitted=output.expect_of_sample,
        )
    else:
        with _memory_for(csv):
            report = commands.fit_table(
                *(csv, label, positive, settings),
                new_schema=new_schema,
                ordered=output.ordered,
                split=kind,
                on_fitted=output.expect,
            )
    output.show(report)


@contextmanager
def _memory_for(csv: Path) -> Iterator[None]:
    """Where there is too little memory, say which option needs less."""
    try:
        yield
    except MemoryError as error:
        raise DataError(
            f"{csv} needs more memory than there is; say --blocks, which reads it anew for every pass and keeps a "
            "sample of its rows"
        ) from error


def promote(
    run: Annotated[
        str,
        typer.Argument(help="Run id or its beginning, as streamgauge runs lists it.", autocompletion=run_ids),
    ],
    new_schema: NewSchema = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Put a run into production, whatever its figures.

    Example: streamgauge promote 0123456789ab
    """
    production = commands.promote_run(run, registry_settings(redis_url, pipeline, miniflow), new_schema=new_schema)
    said = f"run {production.run_id} is in production, epoch {production.epoch}"
    answer(production, said, as_json=as_json)


def rollback(
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Put the previous run back into production.

    Example: streamgauge rollback --pipeline prod
    """
    production = commands.rollback(registry_settings(redis_url, pipeline, miniflow))
    said = f"run {production.run_id} is in production again, epoch {production.epoch}"
    answer(production, said, as_json=as_json)


def retrain(redis_url: RedisUrl = None, pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """Ask the trainer for a new model by hand.

    Example: streamgauge retrain --pipeline prod
    """
    event = commands.request_retrain(server_settings(redis_url, pipeline))
    said = f"retrain event {event} is written; streamgauge runs shows what comes of it"
    answer({"event": event}, said, as_json=as_json)
