"""The features of the model in production: what a block holds unless told otherwise."""

from __future__ import annotations

from core.connection import Connection
from core.errors import NoProductionModel
from core.keys import PipelineKeys
from core.redis_registry import RedisRegistry
from core.schema import Schema


def production_schema(connection: Connection, keys: PipelineKeys) -> Schema:
    """Features and classes of the production model. Raises NoProductionModel where there is none."""
    registry = RedisRegistry(connection, keys)
    production = registry.production()
    if production is None:
        raise NoProductionModel(
            f"pipeline {keys.pipeline!r} has no model in production, whose features a block needs; "
            "promote one, pass a schema, or send plain records"
        )
    return registry.model(production.run_id).model.schema
