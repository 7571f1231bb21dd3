"""Settings: ``--option``, else environment ``STREAMGAUGE_*``, else ``streamgauge.toml``, else the default.

One frozen object, built once at start. An unknown key is an error that names it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import msgspec

from core.calibration import CalibrationRequest
from core.environment import from_environment
from core.errors import RecordError, ServerUnavailable, SettingsError
from core.keys import PipelineKeys
from core.number import parse_number
from core.threshold_rule import ThresholdBy, ThresholdRule, threshold_rule

#: Smallest number of records to a false alarm: thresholds are found at run lengths of some thousand.
LEAST_BUDGET = 1_000
#: Whole numbers below this are float64 numbers, each its own.
_EXACT = 2**53
#: As core.miniflow has it, which services of a stream need not import.
_RUN_ID = re.compile(r"[0-9a-f]{12}")
#: Settings that no message shows.
SECRETS = ("redis_url", "alerts_token")
#: What a bearer token may hold and a header carries unchanged, long enough that nobody guesses it (RFC 6750, 2.1).
_TOKEN = re.compile(r"[!-~]{16,}")
_HTTP_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
#: The settings file, looked for in the working directory.
FILE_NAME = "streamgauge.toml"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of all services; spelt alike as option, variable and file key."""

    # where
    redis_url: str | None = None
    pipeline: str = "default"
    partitions: int | None = None  #: unset: adopt what the pipeline has, else 1, or as many as there are tags
    partition_tags: str | None = None  #: hash tags of the partitions, by comma; unset: adopt, else PIPELINE:P
    miniflow: str = "miniflow"  #: directory of runs
    http_host: str = "127.0.0.1"
    http_port: int | None = None  #: unset: the service's own; 0: any free one, printed
    log_level: str = "info"
    otlp_endpoint: str | None = None  #: base URL of an OTLP/HTTP collector for traces; unset: none are made
    stop_with_stdin: bool = False  #: stop when standard input ends: whoever started the service is gone

    # records
    max_entry_bytes: int = 1024 * 1024
    read_bytes: int = 1024 * 1024  #: target size of one read; entry counts adapt to it
    takeover_idle_ms: int = 15_000  #: an entry pending for longer is taken over from its worker
    poison_deliveries: int = 5  #: an entry delivered more often than this is processed alone
    poison_lone_deaths: int = 3  #: and after this many lone deliveries it is rejected
    max_backlog_entries: int = 1_000_000
    max_backlog_bytes: int = 256 * 1024 * 1024
    durability: str = "server"  #: or "fsync", "replica": when a produced record counts as sent

    # kept
    records_keep_ms: int | None = None  #: unset: adopt what the pipeline has, else 1 h
    records_keep_bytes: int | None = None  #: unset: adopt what the pipeline has, else 256 MiB
    trim_every_ms: int = 5_000

    # scorer
    shadow: str | None = None  #: run that is scored beside production, results kept apart; unset: production

    # monitor
    cluster_skew_ms: int = 100  #: largest difference between the clocks of a cluster's servers
    window_records: int = 500
    slide_records: int | None = None  #: unset: tumbling windows (slide = window)
    window_limit_s: float = 60.0  #: a window closes by then, counted from its first record
    window_min_records: int = 50  #: fewer give no verdict
    false_alarm_records: int = 100_000  #: one false alarm in so many records, all detectors together
    label_false_alarm_records: int = 10_000  #: the same for labels, in labelled records
    tolerated_unusable_share: float = 0.01  #: of records that cannot be used, before that is an alarm
    recovery_windows: int = 3  #: an episode ends after so many calm windows in a row
    retrain_cooldown_s: float = 60.0
    sample_share: float = 1.0  #: share of records kept for training, chosen by a hash of the record id
    alerts_token: str | None = None  #: bearer token of POST /alerts; unset: nobody may post

    # trainer
    retrain_every_s: float | None = None  #: unset: off
    min_labelled_rows: int = 200
    seed: int = 0
    solver: str = "newton"
    inverse_l2: float = 1.0  #: scikit-learn's C; inf: no penalty
    calibrate: str | None = None  #: unset: as production's model was asked for, else auto
    # operating point, one choice in several settings: where one place sets any of them, none before it counts; all
    # unset: by production's rule, else .5
    threshold: float | None = None  #: the threshold itself
    threshold_by: str | None = None
    cost_fn: float | None = None  #: of one class 1 that is missed
    cost_fp: float | None = None  #: of one class 0 that is taken for class 1
    min_recall: float | None = None
    min_precision: float | None = None
    class_weight: str = "none"  #: or "balanced": both classes count alike, however many rows each has
    learning_rate: float | None = None  #: of gradient_descent and sgd; unset: the longest that is safe
    max_steps: int | None = None  #: unset: the solver's own
    early_stopping_steps: int | None = None  #: without a lower validation loss; unset: no early stopping

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SettingsError(f"{name} is {value}; choose a value above 0")
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if not value >= 0:
                raise SettingsError(f"{name} is {value}; choose 0 or more")
        if self.http_port is not None and not 0 <= self.http_port <= 65_535:
            raise SettingsError(f"http_port is {self.http_port}; choose 0 to 65535")
        if self.window_records % self.slide:
            raise SettingsError(
                f"window_records is {self.window_records} and slide_records {self.slide}; "
                "choose a slide that divides the window"
            )
        if self.window_min_records > self.window_records:
            raise SettingsError(
                f"window_min_records is {self.window_min_records} and window_records {self.window_records}; "
                "no window would ever have a verdict, choose no more than that"
            )
        if not 0 <= self.sample_share <= 1:
            raise SettingsError(f"sample_share is {self.sample_share}; choose 0 to 1")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise SettingsError(f"{name} is {value!r}; choose {', '.join(choices[:-1])} or {choices[-1]}")
        if self.learning_rate is not None and self.solver == "newton":
            raise SettingsError(
                f"learning_rate is {self.learning_rate} and solver {self.solver}, which has none; unset it, or "
                "set solver to gradient_descent or sgd"
            )
        self._check_alarms()
        self._check_names()
        try:
            _ = self.threshold_rule
        except ValueError as error:
            raise SettingsError(str(error)) from error

    def _check_alarms(self) -> None:
        for name in _BUDGETS:
            value = getattr(self, name)
            if value < LEAST_BUDGET:
                raise SettingsError(f"{name} is {value}; choose {LEAST_BUDGET} or more")
        if not 0 < self.tolerated_unusable_share < 1:
            raise SettingsError(
                f"tolerated_unusable_share is {self.tolerated_unusable_share}; choose a value between 0 and 1"
            )

    def _check_names(self) -> None:
        keys = self.keys  # checks the pipeline's
        if self.otlp_endpoint is not None and not _HTTP_URL.fullmatch(self.otlp_endpoint):
            raise SettingsError(
                "otlp_endpoint is no http:// or https:// URL of a collector; give its base, as in "
                "http://127.0.0.1:4318"
            )
        if self.shadow is not None and not _RUN_ID.fullmatch(self.shadow):
            raise SettingsError(
                f"shadow is {self.shadow[:40]!r}; give the 12 hex digits of a run, as streamgauge runs lists it"
            )
        if self.alerts_token is not None and not _TOKEN.fullmatch(self.alerts_token):
            raise SettingsError(
                "alerts_token is not 16 or more printable ASCII characters without spaces; make one with openssl "
                "rand -hex 32"
            )
        if self.tags:
            keys.checked_tags(self.tags, len(self.tags) if self.partitions is None else self.partitions)

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


_POSITIVE = (
    "partitions",
    "max_entry_bytes",
    "read_bytes",
    "takeover_idle_ms",
    "poison_deliveries",
    "poison_lone_deaths",
    "max_backlog_entries",
    "max_backlog_bytes",
    "records_keep_ms",
    "records_keep_bytes",
    "trim_every_ms",
    "window_records",
    "slide_records",
    "window_limit_s",
    "window_min_records",
    "recovery_windows",
    "retrain_every_s",
    "min_labelled_rows",
    "inverse_l2",
    "learning_rate",
    "max_steps",
    "early_stopping_steps",
)
_CHOICES = {
    "log_level": ("debug", "info", "warning", "error"),
    "durability": ("server", "fsync", "replica"),
    "calibrate": get_args(CalibrationRequest),
    "threshold_by": get_args(ThresholdBy),
    "solver": ("newton", "gradient_descent", "sgd"),
    "class_weight": ("none", "balanced"),
}
#: They are one choice: half of it from one place and half from another would be nobody's.
_OPERATING_POINT = ("threshold", "threshold_by", "cost_fn", "cost_fp", "min_recall", "min_precision")
_BUDGETS = ("false_alarm_records", "label_false_alarm_records")
#: Settings that are gone, and what takes their place.
_SUCCESSORS = {
    "window_false_alarm_rate": "false_alarm_records (one false alarm in so many records)",
    "confirm_windows": "false_alarm_records (one false alarm in so many records)",
    "confirm_of_windows": "recovery_windows (calm windows in a row that end an episode)",
}
_NOT_NEGATIVE = ("cluster_skew_ms", "retrain_cooldown_s", "seed")


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
    _take(values, places, _file_values((directory or Path()) / FILE_NAME), f"in {FILE_NAME}")
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
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
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
                _read(value, kinds[name]) if isinstance(value, str) else msgspec.convert(value, kinds[name])
            )
        except msgspec.ValidationError as error:
            what = "does not fit" if name in SECRETS else f"is {value!r}"
            raise SettingsError(f"setting {name!r} {files.get(name, where)} {what}: {error}") from error
        places[name] = files.get(name, where)


def _read(text: str, kind: Any) -> Any:
    """A value of text as its setting's type; numbers as the wire has them, so that ``.5`` is one.

    Raises
    ------
    msgspec.ValidationError
        Text that is no such value.
    """
    kinds = get_args(kind) or (kind,)
    if str not in kinds and bool not in kinds:
        try:
            number = parse_number(text.encode(), "")
        except RecordError:  # inf, which is a setting's value and no record's, or nothing at all
            pass
        else:
            if float in kinds:
                return number
            if number.is_integer() and abs(number) < _EXACT:
                return int(number)
    return msgspec.convert(text, kind, strict=False)


def _file_values(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; correct or remove it") from error
