"""Commands that move data: produce, labels, predictions."""

from __future__ import annotations

import sys
from functools import cache
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from core.connection import Connection
from core.errors import RegistryError, SettingsError
from core.prediction import Prediction
from core.redis_registry import RedisRegistry
from core.setting_checks import CHOICES
from producer import commands
from producer.push import PushCounts
from producer.sources import Format
from streamgauge.completion import one_of
from streamgauge.options import AsJson, Pipeline, RedisUrl, SourceFile, server_settings
from streamgauge.predictions import Predictions
from streamgauge.terminal_text import json_line, printable

#: Features shown beside a prediction, the largest contributions first.
SHOWN_CONTRIBUTIONS = 3
#: Without --follow the command ends when no further result comes for so long.
QUIET_S = 0.5


def produce(
    file: SourceFile,
    rate: Annotated[float | None, typer.Option(help="Records a second; unset: as fast as they are read.")] = None,
    block: Annotated[
        int | None, typer.Option(help="Pack this many rows into an entry, which is much faster.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column whose value travels with the record as its label.")
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column whose value is the record id.")] = None,
    durability: Annotated[
        str | None,
        typer.Option(
            help="When a record counts as sent: server, fsync or replica.",
            autocompletion=one_of(*CHOICES["durability"]),
        ),
    ] = None,
    file_format: Annotated[Format | None, typer.Option("--format", help="Unset: by ending or first byte.")] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Push the records of a CSV or JSON-lines file.

    Exit status 0: all were sent; 1: some were not, and the summary says how many; 2: an error.

    Example: streamgauge produce raisin.csv --rate 200 --label Class
    """
    settings = server_settings(redis_url, pipeline, durability=durability)
    counts = commands.produce(
        settings,
        file,
        Console(stderr=True),
        rate=rate,
        block=block,
        label=label,
        id_column=id_column,
        format=file_format,
    )
    _report(counts, "records", as_json)


def labels(
    file: SourceFile,
    id_column: Annotated[str, typer.Option("--id", help="Column with the id of the record.")],
    label: Annotated[str, typer.Option(help="Column with its label: 0, 1 or a class name.")],
    file_format: Annotated[Format | None, typer.Option("--format", help="Unset: by ending or first byte.")] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Push labels that became known later.

    Exit status 0: all were sent; 1: some were not, and the summary says how many; 2: an error.

    Example: streamgauge labels outcomes.csv --id order --label returned
    """
    settings = server_settings(redis_url, pipeline)
    counts = commands.push_labels(
        settings, file, Console(stderr=True), id_column=id_column, label_column=label, format=file_format
    )
    _report(counts, "labels", as_json)


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A prediction as ``--json`` prints it."""

    id: str
    record: str
    row: int
    pred: int
    p_class1: float
    p_raw: float | msgspec.UnsetType  #: only of a calibrated model
    logit: float
    bias: float
    contrib: dict[str, float]
    model: str
    ts: int


def predictions(
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    count: Annotated[int | None, typer.Option(help="Stop after so many results.")] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Read results: those that are there, or with --follow those that come.

    Example: streamgauge predictions --follow --json
    """
    if count is not None and count < 1:
        raise SettingsError(f"--count is {count}; choose 1 or more")
    settings = server_settings(redis_url, pipeline)
    printed = 0
    connection = Connection(settings.redis_url or "")
    features = cache(lambda run_id: _features(RedisRegistry(connection, settings.keys), run_id))
    with (
        connection,
        Predictions(
            connection,
            settings.pipeline,
            start="now" if follow else "start",
            timeout_s=None if follow else QUIET_S,
        ) as results,
    ):
        for prediction in results:
            named = _named(prediction, features(prediction.model))
            sys.stdout.write((_json_line(prediction, named) if as_json else _line(prediction, named)) + "\n")
            sys.stdout.flush()
            printed += 1
            if printed == count:
                return
    if not printed:
        Console(stderr=True).print("no results yet; push records with streamgauge produce")


def _report(counts: PushCounts, what: str, as_json: bool) -> None:
    typer.echo(json_line(counts) if as_json else commands.summary(counts, what))
    if counts.unsent:
        raise typer.Exit(1)


def _features(registry: RedisRegistry, run_id: str) -> tuple[str, ...] | None:
    """Feature names of a run; None where its model is no longer kept."""
    try:
        return registry.model(run_id).model.schema.features
    except RegistryError:
        return None


def _named(prediction: Prediction, features: tuple[str, ...] | None) -> dict[str, float]:
    """Contributions by feature, by number where a block's model is no longer kept."""
    contributions = prediction.contributions
    if isinstance(contributions, dict):
        return contributions
    names = features or tuple(str(number) for number in range(len(contributions)))
    return dict(zip(names, contributions.tolist(), strict=True))


def _json_line(prediction: Prediction, contributions: dict[str, float]) -> str:
    raw = prediction.raw_probability
    shown = _Shown(
        id=_id(prediction),
        record=prediction.record.decode(),
        row=prediction.row,
        pred=prediction.predicted,
        p_class1=prediction.probability,
        p_raw=msgspec.UNSET if raw is None else raw,
        logit=prediction.logit,
        bias=prediction.bias,
        contrib=contributions,
        model=prediction.model,
        ts=prediction.ts_ms,
    )
    return json_line(shown)


def _line(prediction: Prediction, contributions: dict[str, float]) -> str:
    largest = sorted(contributions.items(), key=lambda item: -abs(item[1]))[:SHOWN_CONTRIBUTIONS]
    because = "  ".join(f"{printable(name, 40)} {value:+.2f}" for name, value in largest)
    scores = f"p {prediction.probability:.3f}  logit {prediction.logit:+.2f}"
    return f"{printable(_id(prediction)):24} {prediction.predicted}  {scores}  {because}"


def _id(prediction: Prediction) -> str:
    return (prediction.id or b"").decode("utf-8", "backslashreplace")
