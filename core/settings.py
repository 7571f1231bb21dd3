"""Settings: ``--option``, else environment ``STREAMGAUGE_*``, else ``streamgauge.toml``, else the default.

One frozen object, built once at start. An unknown key is an error that names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec

from core.environment import from_environment
from core.errors import ServerUnavailable, SettingsError
from core.keys import PipelineKeys
from core.setting_checks import check_settings
from core.setting_values import file_values, read_value
from core.threshold_rule import ThresholdBy, ThresholdRule, threshold_rule

#: Settings that no message shows.
SECRETS = ("redis_url", "alerts_token")
#: The settings file, looked for in the working directory.
FILE_NAME = "streamgauge.toml"


class About(NamedTuple):
    """What a setting is, in words: for docs/settings.md and the services' ``--help``."""

    words: str  #: in Markdown of which ``code`` is all, so that it reads well as text too
    unset: str = ""  #: what holds where its default is None
    page: str = ""  #: that says more, below docs/


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of all services; spelt alike as option, variable and file key."""

    # where everything is
    redis_url: Annotated[
        str | None,
        About(
            "URL of the server or servers",
            "the server that `streamgauge up` runs; `fit` and `python -m scorer` go by `miniflow` alone",
            "settings.md#redis_url",
        ),
    ] = None
    pipeline: Annotated[str, About("name of the pipeline: 1 to 64 letters, digits, `_`, `.` and `-`")] = "default"
    partitions: Annotated[
        int | None,
        About(
            "partitions of the records stream",
            "as the pipeline has it, else as many as there are tags, else 1",
            "partitions.md",
        ),
    ] = None
    partition_tags: Annotated[
        str | None,
        About(
            "hash tags of the partitions, joined by commas; each begins with `PIPELINE:`. On a cluster they "
            "decide which master holds which partition; `streamgauge partitions` proposes some that reach all",
            "as the pipeline has it, else `PIPELINE:0`, `PIPELINE:1`, ...",
            "partitions.md",
        ),
    ] = None
    miniflow: Annotated[str, About("directory of training runs", page="runs.md")] = "miniflow"
    http_host: Annotated[str, About("address at which a service answers", page="reference/http.md")] = "127.0.0.1"
    http_port: Annotated[
        int | None,
        About(
            "port at which a service answers; 0: any free one, printed", "scorer 8000, monitor 8001, trainer 8002"
        ),
    ] = None
    log_level: Annotated[str, About("what is logged", page="operations/observability.md#logs")] = "info"
    otlp_endpoint: Annotated[
        str | None,
        About(
            "base URL of a collector, as `http://127.0.0.1:4318`, to which traces are sent by OTLP over HTTP; "
            "needs the extra `tracing`",
            "no traces",
            "operations/observability.md#traces",
        ),
    ] = None
    stop_with_stdin: Annotated[
        bool,
        About("stop when standard input ends; how `up` and `demo` keep from leaving services behind"),
    ] = False

    # records
    max_entry_bytes: Annotated[int, About("larger entries are rejected")] = 1024 * 1024
    read_bytes: Annotated[int, About("target size of one read; the number of entries adapts to it")] = 1024 * 1024
    takeover_idle_ms: Annotated[int, About("an entry pending for longer is taken over from its worker")] = 15_000
    poison_deliveries: Annotated[
        int, About("an entry that was delivered more often than this is processed alone")
    ] = 5
    poison_lone_deaths: Annotated[
        int, About("an entry whose worker died so often while processing it alone is rejected")
    ] = 3
    max_backlog_entries: Annotated[
        int, About("unread entries at which `Producer` waits or raises", page="producing.md")
    ] = 1_000_000
    max_backlog_bytes: Annotated[
        int, About("unread bytes, estimated from the newest entries, at which `Producer` waits or raises")
    ] = 256 * 1024 * 1024
    durability: Annotated[str, About("when a produced record counts as sent", page="producing.md")] = "server"

    # how long they are kept
    records_keep_ms: Annotated[
        int | None,
        About("how long records and predictions are kept once read", "as the pipeline has it, else 1 h"),
    ] = None
    records_keep_bytes: Annotated[
        int | None,
        About(
            "memory of the server that records, and predictions, may take each",
            "as the pipeline has it, else 256 MiB",
        ),
    ] = None
    trim_every_ms: Annotated[int, About("how often streams are trimmed")] = 5_000

    # scorer
    shadow: Annotated[
        str | None,
        About(
            "run that `python -m scorer` scores beside production, its results apart", "production", "shadow.md"
        ),
    ] = None

    # monitor
    cluster_skew_ms: Annotated[
        int,
        About(
            "on a cluster: how far the clocks of its servers may be apart; the monitor stays so far behind them",
            page="partitions.md",
        ),
    ] = 100
    window_records: Annotated[
        int, About("records a window; an alarm ends a window at once", page="statistics.md")
    ] = 500
    slide_records: Annotated[
        int | None,
        About("records from one window to the next; it divides the window", "`window_records`: tumbling"),
    ] = None
    window_limit_s: Annotated[float, About("a window closes by then, counted from its first entry")] = 60.0
    window_min_records: Annotated[int, About("with fewer records a window, or a new model, has no verdict")] = 50
    false_alarm_records: Annotated[
        int,
        About(
            "the budget: one false alarm in so many records, over all detectors together; at least 1,000. A "
            "smaller budget finds drift sooner and cries wolf more often",
            page="guides/budget.md",
        ),
    ] = 100_000
    label_false_alarm_records: Annotated[
        int, About("the budget of the detector that looks at labels, in labelled records")
    ] = 10_000
    tolerated_unusable_share: Annotated[
        float,
        About(
            "share of records that cannot be used (and of records without one of the features) up to which "
            "there is no alarm"
        ),
    ] = 0.01
    recovery_windows: Annotated[int, About("calm windows in a row that end an episode")] = 3
    retrain_cooldown_s: Annotated[
        float,
        About("shortest time between two retrain events of monitor and webhook", page="operations/alerting.md"),
    ] = 60.0
    sample_share: Annotated[
        float,
        About("share of records kept for training, chosen by a hash of the record id; lower it on fast streams"),
    ] = 1.0
    alerts_token: Annotated[
        str | None,
        About(
            "bearer token of the monitor's `POST /alerts`, 16 or more characters. Like `redis_url` it belongs in "
            "the environment or a file, not on a command line",
            "nobody may post: 403",
            "operations/alerting.md#the-webhook",
        ),
    ] = None

    # trainer
    retrain_every_s: Annotated[float | None, About("schedule of retrain events", "off")] = None
    min_labelled_rows: Annotated[
        int, About("with fewer labelled rows nothing is trained", page="promotion.md")
    ] = 200
    seed: Annotated[int, About("of the split, the profile and a solver's start")] = 0
    solver: Annotated[str, About("how a model is fitted", page="training.md")] = "newton"
    inverse_l2: Annotated[
        float, About("strength of the penalty as scikit-learn's C: smaller is stronger, `inf` is none")
    ] = 1.0
    class_weight: Annotated[str, About("`balanced` lets both classes count alike, however many rows each has")] = (
        "none"
    )
    learning_rate: Annotated[
        float | None,
        About(
            "of `gradient_descent` and `sgd`; a value is taken as it is", "the longest that is safe", "training.md"
        ),
    ] = None
    max_steps: Annotated[
        int | None,
        About(
            "most steps of `newton` and `gradient_descent`, most passes of `sgd`",
            "100, 2,000 and 200",
            "training.md",
        ),
    ] = None
    early_stopping_steps: Annotated[
        int | None,
        About(
            "stop after so many steps without a lower validation loss, on a fifth of the training rows",
            "off",
            "training.md",
        ),
    ] = None
    calibrate: Annotated[
        str | None,
        About("how probabilities are calibrated", "as production's were asked for, else `auto`", "calibration.md"),
    ] = None

    # the operating point: one choice in several settings
    threshold: Annotated[
        float | None,
        About("class 1 is predicted from this probability on", "by production's rule, else 0.5", "calibration.md"),
    ] = None
    threshold_by: Annotated[
        str | None,
        About("choose the threshold that is best by this, on rows out of fold", "no such rule", "calibration.md"),
    ] = None
    cost_fn: Annotated[
        float | None,
        About("cost of one record of class 1 that is missed, for the threshold of least cost", "no cost"),
    ] = None
    cost_fp: Annotated[float | None, About("cost of one false alarm, in the same unit", "no cost")] = None
    min_recall: Annotated[
        float | None, About("best precision with at least this recall", "no such rule", "calibration.md")
    ] = None
    min_precision: Annotated[
        float | None, About("best recall with at least this precision", "no such rule", "calibration.md")
    ] = None

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def tags(self) -> tuple[str, ...]:
        """The hash tags of the partitions; none where they are not set."""
        return tuple(tag.strip() for tag in self.partition_tags.split(",")) if self.partition_tags else ()

    @property
    def keys(self) -> PipelineKeys:
        """The pipeline's keys."""
        return PipelineKeys(self.pipeline)

    def required_redis_url(self, service: str) -> str:
        """The server's URL. Raises ServerUnavailable where a service that needs one was given none."""
        if self.redis_url is None:
            raise ServerUnavailable(f"the {service} needs Redis; set redis_url (--redis-url)")
        return self.redis_url

    @property
    def slide(self) -> int:
        """Records between two windows."""
        return self.slide_records if self.slide_records is not None else self.window_records

    @property
    def threshold_rule(self) -> ThresholdRule | None:
        """How a model's operating point is to be chosen; None where nothing is said."""
        by = None if self.threshold_by is None else msgspec.convert(self.threshold_by, ThresholdBy)
        return threshold_rule(by, self.threshold, self.cost_fn, self.cost_fp, self.min_recall, self.min_precision)

    @property
    def miniflow_path(self) -> Path:
        """Directory of runs."""
        return Path(self.miniflow)


#: They are one choice: half of it from one place and half from another would be nobody's.
_OPERATING_POINT = ("threshold", "threshold_by", "cost_fn", "cost_fp", "min_recall", "min_precision")
#: Settings that are gone, and what takes their place.
_SUCCESSORS = {
    "window_false_alarm_rate": "false_alarm_records (one false alarm in so many records)",
    "confirm_windows": "false_alarm_records (one false alarm in so many records)",
    "confirm_of_windows": "recovery_windows (calm windows in a row that end an episode)",
}


def about(name: str) -> About:
    """A setting in words."""
    words: About = get_args(_annotated()[name])[1]
    return words


@cache
def _annotated() -> dict[str, Any]:
    """The settings' annotations; evaluating them takes a millisecond."""
    return get_type_hints(Settings, include_extras=True)


def load_settings(
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Build the settings; options that are None count as not given.

    Raises
    ------
    SettingsError
        An unknown key, or a value that does not fit, with the place it came from.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    _take(values, places, file_values((directory or Path()) / FILE_NAME), f"in {FILE_NAME}")
    variables = os.environ if environment is None else environment
    given_there = from_environment(variables, Settings.__struct_fields__)
    _take(values, places, given_there.values, "in the environment", given_there.files)
    given = {name: value for name, value in (options or {}).items() if value is not None}
    _take(values, places, given, "as an option")
    try:
        return Settings(**values)
    except SettingsError as error:
        named = [
            f"{name} is set {where}" for name, where in places.items() if name in re.findall(r"\w+", str(error))
        ]
        raise SettingsError(f"{error} ({', '.join(named)})" if named else str(error)) from None


def _take(
    values: dict[str, Any],
    places: dict[str, str],
    given: Mapping[str, Any],
    where: str,
    files: Mapping[str, str] | None = None,
) -> None:
    """Take the settings of one place; ``files``: those of them that came from a file, and where that is named."""
    files = files or {}
    kinds = {name: get_args(field)[0] for name, field in _annotated().items()}
    if any(name in given for name in _OPERATING_POINT):
        for name in _OPERATING_POINT:
            values.pop(name, None)
            places.pop(name, None)
    for name, value in given.items():
        if name in _SUCCESSORS:
            raise SettingsError(f"setting {name!r} {where} is gone; remove it and set {_SUCCESSORS[name]}")
        if name not in kinds:
            close = get_close_matches(name, kinds, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "see docs/settings.md for those there are"
            raise SettingsError(f"unknown setting {name!r} {where}; {hint}")
        try:
            values[name] = (
                read_value(value, kinds[name]) if isinstance(value, str) else msgspec.convert(value, kinds[name])
            )
        except msgspec.ValidationError as error:
            what = "does not fit" if name in SECRETS else f"is {value!r}"
            raise SettingsError(f"setting {name!r} {files.get(name, where)} {what}: {error}") from error
        places[name] = files.get(name, where)
