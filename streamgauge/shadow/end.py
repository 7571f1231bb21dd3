"""The end of a shadow: its model, groups and streams go; the records and production's results stay as they are."""

from __future__ import annotations

from collections.abc import Iterable

from core.connection import Connection, ServerError
from core.errors import UsageError
from core.keys import PartitionKeys, PipelineKeys, shadow_group
from core.shadow_registry import ShadowRegistry


def end_shadow(
    connection: Connection, keys: PipelineKeys, partitions: Iterable[PartitionKeys], run_id: str
) -> None:
    """Remove what there is of a shadow; its scorers that still run notice, and rest.

    In this order nothing is made again behind it; run again after an interruption, it finishes.

    Raises
    ------
    UsageError
        There is nothing of it.
    """
    found = ShadowRegistry(connection, keys).end(run_id)
    for partition in partitions:
        shadow = partition.shadow(run_id)
        try:
            found |= bool(connection.call("XGROUP", "DESTROY", shadow.records, shadow_group(run_id)))
        except ServerError as error:
            if "requires the key to exist" not in str(error):
                raise
        found |= bool(connection.call("DEL", shadow.predictions, shadow.rejected, shadow.start))
    if not found:
        raise UsageError(f"there is no shadow {run_id} in pipeline {keys.pipeline!r}")
