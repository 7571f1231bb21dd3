"""The set-up of a pipeline that a command is to look at."""

from __future__ import annotations

from core.connection import Connection
from core.errors import UsageError
from core.pipeline_config import PipelineConfig, look_up
from core.settings import Settings


def started_config(connection: Connection, settings: Settings) -> PipelineConfig:
    """What the services agreed on. Raises UsageError where none has started yet, and as ``look_up`` does."""
    config = look_up(connection, settings)
    if config is None:
        raise UsageError(
            f"nothing has started in pipeline {settings.pipeline!r}; run streamgauge up, or correct --pipeline"
        )
    return config
