"""Options that several commands share, and the settings that they make."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from core.errors import SettingsError
from core.setting_checks import CHOICES
from core.settings import Settings, load_settings
from streamgauge.completion import one_of
from streamgauge.workspace import find_running, with_server
from trainer.split import SplitKind

# Options that many commands have, each sort in a panel of its own under ``--help``.
_where = partial(typer.Option, rich_help_panel="Which pipeline")
_point = partial(typer.Option, rich_help_panel="Operating point")

RedisUrl = Annotated[
    str | None,
    _where("--redis-url", help="The Redis server (default: the one that streamgauge up runs)."),
]
Pipeline = Annotated[str | None, _where("--pipeline", help="Name of the pipeline (default: default).")]
MiniFlowDirectory = Annotated[
    str | None,
    _where("--miniflow", help="Directory of training runs (default: miniflow)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
SourceFile = Annotated[
    str, typer.Argument(metavar="FILE|-", help="A CSV or JSON-lines file, or - for standard input.")
]
TableSeed = Annotated[int | None, typer.Option("--seed", help="Seed of the split and the profile.")]
Unordered = Annotated[
    bool, typer.Option("--unordered", help="The order of the rows means nothing: do not test it for drift.")
]
Threshold = Annotated[
    float | None,
    _point(
        "--threshold",
        help="Predict class 1 from this probability on (default: as production, else .5).",
    ),
]
ThresholdBy = Annotated[
    str | None,
    _point(
        "--threshold-by",
        "--by",
        help="Best threshold by f1, youden, cost, recall or precision.",
        autocompletion=one_of(*(rule for rule in CHOICES["threshold_by"] if rule != "fixed")),
    ),
]
CostFn = Annotated[float | None, _point("--cost-fn", help="Cost of missing one record of class 1.")]
CostFp = Annotated[
    float | None,
    _point("--cost-fp", help="Cost of one false alarm, in the same unit."),
]
MinRecall = Annotated[
    float | None,
    _point("--min-recall", help="Best precision with at least this recall."),
]
MinPrecision = Annotated[
    float | None,
    _point("--min-precision", help="Best recall with at least this precision."),
]
InverseL2 = Annotated[
    float | None,
    typer.Option(
        "--inverse-l2", help="Penalty as scikit-learn's C: smaller is stronger, inf is none (default: 1)."
    ),
]
ClassWeight = Annotated[
    str | None,
    typer.Option(
        "--class-weight",
        help="none, or balanced: both classes count alike (default: none).",
        autocompletion=one_of(*CHOICES["class_weight"]),
    ),
]
SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        help="stratified, or time: the rows are in order, and only earlier ones train.",
        autocompletion=one_of(*get_args(SplitKind)),
    ),
]
Solver = Annotated[
    str | None,
    typer.Option(
        "--solver",
        help="How the model is fitted: newton, gradient_descent or sgd.",
        autocompletion=one_of(*CHOICES["solver"]),
    ),
]


def _calibrate(choices: str) -> Any:
    """The option ``--calibrate`` of a command, which says its own choices and default."""
    told = f"How probabilities are calibrated: {choices}."
    return typer.Option("--calibrate", help=told, autocompletion=one_of(*CHOICES["calibrate"]))


Calibrate = Annotated[
    str | None, _calibrate("auto, none, platt, temperature or isotonic (default: as production, else auto)")
]
CalibrateAnew = Annotated[str | None, _calibrate("auto, none, platt, temperature or isotonic (default: auto)")]
CalibrateImported = Annotated[str | None, _calibrate("auto, platt, temperature or isotonic (default: none)")]
CsvFile = Annotated[Path, typer.Argument(metavar="CSV", help="A CSV file with a header line.")]


def split_kind(text: str) -> SplitKind:
    """What ``--split`` says. Raises SettingsError for anything else."""
    try:
        kind: SplitKind = msgspec.convert(text, SplitKind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"--split is {text!r}; choose stratified or time") from error
    return kind


def server_settings(redis_url: str | None, pipeline: str | None, **options: object) -> Settings:
    """Settings of a command that needs a server. Raises ServerUnavailable where there is none."""
    return with_server(load_settings({"redis_url": redis_url, "pipeline": pipeline, **options}))


def registry_settings(
    redis_url: str | None, pipeline: str | None, miniflow: str | None, **options: object
) -> Settings:
    """Settings with the server that ``up`` runs where none is set; without any, the MiniFlow directory alone."""
    settings = load_settings({"redis_url": redis_url, "pipeline": pipeline, "miniflow": miniflow, **options})
    running = find_running()
    if settings.redis_url is None and running is not None and running.pipeline == settings.pipeline:
        return msgspec.structs.replace(settings, redis_url=running.redis_url)
    return settings
