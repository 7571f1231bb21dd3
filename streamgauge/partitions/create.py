"""Write the set-up of a pipeline before its first service starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.connection import Connection
from core.errors import UsageError
from core.keys import PipelineKeys
from core.pipeline_config import CONFIG_VERSION, PipelineConfig, agree
from core.scripts.script import Script
from core.settings import Settings
from streamgauge.partitions.slots import Master, checked_count, propose_tags

_create = Script("create_config", Path(__file__).parent)


def choose_tags(
    keys: PipelineKeys, count: int, given: Sequence[str] | None, masters: Sequence[Master]
) -> tuple[str, ...]:
    """The tags that were given, else some that cover the masters, else none: ``PIPELINE:P``.

    Raises
    ------
    SettingsError
        A count or tags that cannot be.
    """
    checked_count(count)
    if given is not None:
        return keys.checked_tags(given, count)
    proposed = propose_tags(keys.pipeline, count, masters) if masters else ()
    return () if proposed == tuple(partition.tag for partition in keys.partitions(count)) else proposed


def create_pipeline(connection: Connection, settings: Settings, count: int, tags: Sequence[str]) -> PipelineConfig:
    """Write the config in one step, then fill in the rest as the first service would.

    Raises
    ------
    UsageError
        The pipeline exists.
    """
    own = msgspec.structs.replace(settings, partitions=count, partition_tags=",".join(tags) or None)
    fields = ("version", CONFIG_VERSION, "partitions", count, "partition_tags", ",".join(tags))
    if not _create.run(connection, (own.keys.config,), fields):
        raise UsageError(
            f"pipeline {own.pipeline!r} exists, and its partitions stay as they are, for each record and group "
            "has its place in one; create another pipeline and move to it as docs/partitions.md says"
        )
    return agree(connection, own)
