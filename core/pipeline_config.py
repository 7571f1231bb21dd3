"""What all services of a pipeline must agree on: made by the first to start, adopted or checked by the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError
from core.keys import REQUIRED_GROUPS, PartitionKeys
from core.settings import Settings

#: Version of what the services share.
CONFIG_VERSION = "1"
#: What the first to start writes where its own setting is unset.
DEFAULTS = {"partitions": 1, "records_keep_ms": 3_600_000, "records_keep_bytes": 256 * 1024 * 1024}

_COUNT = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class PipelineConfig:
    """The agreed set-up of one pipeline."""

    partitions: tuple[PartitionKeys, ...]
    required_groups: tuple[str, ...]
    records_keep_ms: int
    records_keep_bytes: int


def agree(connection: Connection, settings: Settings) -> PipelineConfig:
    """Write what is missing in the pipeline's config, adopt what is unset here, refuse what differs.

    Raises
    ------
    SettingsError
        A setting that disagrees; the sentence names both values.
    """
    keys = settings.keys
    for name, text in _proposed(settings).items():
        connection.call("HSETNX", keys.config, name, text)
    return _checked(_stored(connection, settings), settings)


def look_up(connection: Connection, settings: Settings) -> PipelineConfig | None:
    """What :func:`agree` would return, writing nothing; None where no service has agreed on anything yet.

    A field that the first to start has not written yet counts as it would write it.

    Raises
    ------
    SettingsError
        As for :func:`agree`.
    """
    stored = _stored(connection, settings)
    return _checked(_proposed(settings) | stored, settings) if "partitions" in stored else None


def _proposed(settings: Settings) -> dict[str, str]:
    """Every field of the config as the first to start writes it."""
    proposed = {"version": CONFIG_VERSION, "required_groups": ",".join(REQUIRED_GROUPS)}
    for name, default in DEFAULTS.items():
        value = getattr(settings, name)
        proposed[name] = str(default if value is None else value)
    return proposed


def _stored(connection: Connection, settings: Settings) -> dict[str, str]:
    stored = field_map(connection.call("HGETALL", settings.keys.config))
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in stored.items()}


def _checked(agreed: dict[str, str], settings: Settings) -> PipelineConfig:
    """The config as typed values, after comparing it with what is set here."""
    keys = settings.keys
    if agreed["version"] != CONFIG_VERSION:
        raise SettingsError(
            f"pipeline {settings.pipeline!r} has config version {agreed['version']}, this program knows "
            f"{CONFIG_VERSION}; run the same version of every service"
        )
    numbers: dict[str, int] = {}
    for name in DEFAULTS:
        value = getattr(settings, name)
        if not _COUNT.fullmatch(agreed[name]):
            raise SettingsError(
                f"{name} is {agreed[name]!r} in pipeline {settings.pipeline!r}, which is no number above 0; "
                f"correct field {name} of {keys.config}"
            )
        if value is not None and agreed[name] != str(value):
            raise SettingsError(
                f"{name} is {value} here and {agreed[name]} in pipeline {settings.pipeline!r}; "
                "leave it unset to adopt that"
            )
        numbers[name] = int(agreed[name])
    return PipelineConfig(
        keys.partitions(numbers["partitions"]),
        tuple(agreed["required_groups"].split(",")),
        numbers["records_keep_ms"],
        numbers["records_keep_bytes"],
    )
