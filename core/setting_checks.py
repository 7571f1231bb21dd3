"""What settings must be, each alone and beside the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from core.calibration import CalibrationRequest
from core.errors import SettingsError
from core.threshold_rule import ThresholdBy

if TYPE_CHECKING:
    from core.settings import Settings

#: Smallest number of records to a false alarm: thresholds are found at run lengths of some thousand.
LEAST_BUDGET = 1_000
#: As core.miniflow has it, which services of a stream need not import.
_RUN_ID = re.compile(r"[0-9a-f]{12}")
#: What a bearer token may hold and a header carries unchanged, long enough that nobody guesses it (RFC 6750, 2.1).
_TOKEN = re.compile(r"[!-~]{16,}")
_HTTP_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
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
#: What a setting may be, where that is one of a few words.
CHOICES: dict[str, tuple[str, ...]] = {
    "log_level": ("debug", "info", "warning", "error"),
    "durability": ("server", "fsync", "replica"),
    "calibrate": get_args(CalibrationRequest),
    "threshold_by": get_args(ThresholdBy),
    "solver": ("newton", "gradient_descent", "sgd"),
    "class_weight": ("none", "balanced"),
}
_NOT_NEGATIVE = ("cluster_skew_ms", "retrain_cooldown_s", "seed")
_BUDGETS = ("false_alarm_records", "label_false_alarm_records")


def check_settings(settings: Settings) -> None:
    """Raise SettingsError, with one sentence, for what does not fit."""
    for name in _POSITIVE:
        value = getattr(settings, name)
        if value is not None and not value > 0:
            raise SettingsError(f"{name} is {value}; choose a value above 0")
    for name in _NOT_NEGATIVE:
        value = getattr(settings, name)
        if not value >= 0:
            raise SettingsError(f"{name} is {value}; choose 0 or more")
    if settings.http_port is not None and not 0 <= settings.http_port <= 65_535:
        raise SettingsError(f"http_port is {settings.http_port}; choose 0 to 65535")
    if settings.window_records % settings.slide:
        raise SettingsError(
            f"window_records is {settings.window_records} and slide_records {settings.slide}; "
            "choose a slide that divides the window"
        )
    if settings.window_min_records > settings.window_records:
        raise SettingsError(
            f"window_min_records is {settings.window_min_records} and window_records {settings.window_records}; "
            "no window would ever have a verdict, choose no more than that"
        )
    if not 0 <= settings.sample_share <= 1:
        raise SettingsError(f"sample_share is {settings.sample_share}; choose 0 to 1")
    for name, choices in CHOICES.items():
        value = getattr(settings, name)
        if value is not None and value not in choices:
            raise SettingsError(f"{name} is {value!r}; choose {', '.join(choices[:-1])} or {choices[-1]}")
    if settings.learning_rate is not None and settings.solver == "newton":
        raise SettingsError(
            f"learning_rate is {settings.learning_rate} and solver {settings.solver}, which has none; unset it, "
            "or set solver to gradient_descent or sgd"
        )
    _check_alarms(settings)
    _check_names(settings)
    try:
        _ = settings.threshold_rule
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _check_alarms(settings: Settings) -> None:
    for name in _BUDGETS:
        value = getattr(settings, name)
        if value < LEAST_BUDGET:
            raise SettingsError(f"{name} is {value}; choose {LEAST_BUDGET} or more")
    if not 0 < settings.tolerated_unusable_share < 1:
        raise SettingsError(
            f"tolerated_unusable_share is {settings.tolerated_unusable_share}; choose a value between 0 and 1"
        )


def _check_names(settings: Settings) -> None:
    keys = settings.keys  # checks the pipeline's
    if settings.otlp_endpoint is not None and not _HTTP_URL.fullmatch(settings.otlp_endpoint):
        raise SettingsError(
            "otlp_endpoint is no http:// or https:// URL of a collector; give its base, as in "
            "http://127.0.0.1:4318"
        )
    if settings.shadow is not None and not _RUN_ID.fullmatch(settings.shadow):
        raise SettingsError(
            f"shadow is {settings.shadow[:40]!r}; give the 12 hex digits of a run, as streamgauge runs lists it"
        )
    if settings.alerts_token is not None and not _TOKEN.fullmatch(settings.alerts_token):
        raise SettingsError(
            "alerts_token is not 16 or more printable ASCII characters without spaces; make one with openssl "
            "rand -hex 32"
        )
    if settings.tags:
        keys.checked_tags(
            settings.tags, len(settings.tags) if settings.partitions is None else settings.partitions
        )
