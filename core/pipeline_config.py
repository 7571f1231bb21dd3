"""What all services of a pipeline must agree on: made by the first to start, adopted or checked by the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError
from core.keys import REQUIRED_GROUPS, PartitionKeys
from core.server_check import check_servers
from core.settings import Settings

#: Version of what the services share.
CONFIG_VERSION = "1"
#: What the first to start writes where its own setting is unset.
DEFAULTS = {"partitions": 1, "records_keep_ms": 3_600_000, "records_keep_bytes": 256 * 1024 * 1024}

#: Field of the partitions' hash tags, joined by commas; empty or absent: ``PIPELINE:P``.
_TAGS = "partition_tags"

_COUNT = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class PipelineConfig:
    """The agreed set-up of one pipeline."""

    partitions: tuple[PartitionKeys, ...]
    required_groups: tuple[str, ...]
    records_keep_ms: int
    records_keep_bytes: int


def agree(
    connection: Connection, settings: Settings, required_groups: Sequence[str] = REQUIRED_GROUPS
) -> PipelineConfig:
    """Write what is missing in the pipeline's config, adopt what is unset here, refuse what differs.

    Parameters
    ----------
    required_groups
        Written where the config has none.

    Raises
    ------
    SettingsError
        A setting that disagrees; the sentence names both values.
    UsageError
        A server that would lose data, or is too old.
    """
    config = settings.keys.config
    stored = _stored(connection, settings)
    if not {"partitions", _TAGS} & stored.keys():
        # first and alone: the tags tell how many partitions there are, also to who starts at the same time
        connection.call("HSETNX", config, _TAGS, _own_tags(settings))
        stored = _stored(connection, settings)
    agreed = _completed(stored, settings, required_groups)
    _checked(agreed, settings)  # who disagrees changes nothing
    for name, text in agreed.items():
        if name not in stored and name != _TAGS:  # a full server refuses even a write that changes nothing
            connection.call("HSETNX", config, name, text)
    check_servers(connection)
    return _checked(agreed | _stored(connection, settings), settings)  # a flush may come between


def agree_again(connection: Connection, settings: Settings, known: PipelineConfig | None) -> PipelineConfig:
    """As :func:`agree`; where the server lost the config, what this service has ``known`` is written again."""
    if known is not None and look_up(connection, settings) is None:
        return agree(connection, with_agreed(settings, known), known.required_groups)
    return agree(connection, settings)


def look_up(connection: Connection, settings: Settings) -> PipelineConfig | None:
    """What :func:`agree` would return, writing nothing; None where no service has agreed on anything yet.

    A field that the first to start has not written yet counts as it would write it.

    Raises
    ------
    SettingsError
        As for :func:`agree`.
    """
    stored = _stored(connection, settings)
    return _checked(_completed(stored, settings), settings) if "partitions" in stored else None


def with_agreed(settings: Settings, config: PipelineConfig) -> Settings:
    """The settings with what was agreed in place of what is unset: to agree on it again after a server lost it."""
    return msgspec.structs.replace(
        settings,
        partitions=len(config.partitions),
        partition_tags=",".join(partition.tag for partition in config.partitions),
        records_keep_ms=config.records_keep_ms,
        records_keep_bytes=config.records_keep_bytes,
    )


def _completed(
    stored: dict[str, str], settings: Settings, required_groups: Sequence[str] = REQUIRED_GROUPS
) -> dict[str, str]:
    """The stored config; what is missing of it is as the first to start writes it."""
    proposed = {
        "version": CONFIG_VERSION,
        "required_groups": ",".join(required_groups),
        _TAGS: "",  # the partitions of a pipeline have their places from the beginning
    }
    for name, default in DEFAULTS.items():
        value = getattr(settings, name)
        proposed[name] = str(default if value is None else value)
    tags = stored.get(_TAGS)
    if tags:
        proposed["partitions"] = str(len(tags.split(",")))
    elif settings.partitions is None and settings.tags:
        proposed["partitions"] = str(len(settings.tags))
    return proposed | stored


def _own_tags(settings: Settings) -> str:
    """The tags as the config has them: nothing for those that every pipeline has unless it chose others."""
    default = tuple(partition.tag for partition in settings.keys.partitions(len(settings.tags)))
    return "" if settings.tags == default else ",".join(settings.tags)


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
        _partitions(numbers["partitions"], agreed.get(_TAGS, ""), settings),
        tuple(name for name in agreed["required_groups"].split(",") if name) or REQUIRED_GROUPS,
        numbers["records_keep_ms"],
        numbers["records_keep_bytes"],
    )


def _partitions(count: int, tags: str, settings: Settings) -> tuple[PartitionKeys, ...]:
    keys = settings.keys
    try:
        partitions = keys.partitions(count, tags.split(",") if tags else ())
    except SettingsError as error:
        raise SettingsError(f"{error}; correct field {_TAGS} of {keys.config}") from error
    agreed = tuple(partition.tag for partition in partitions)
    if settings.tags not in {(), agreed}:
        raise SettingsError(
            f"{_TAGS} is {settings.partition_tags} here and {','.join(agreed)} in pipeline {settings.pipeline!r}; "
            "leave it unset to adopt that"
        )
    return partitions
