"""Redis and the MiniFlow directory kept in agreement: Redis decides, MiniFlow brings back what Redis lost."""

from __future__ import annotations

from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from core.errors import (
    ModelFileError,
    RegistryError,
    StreamgaugeError,
    Superseded,
    UnknownModelFormat,
    UnknownRun,
    UsageError,
)
from core.file_registry import FileRegistry
from core.miniflow import MiniFlow
from core.model_file import ModelFile
from core.own_figures import encode_alone
from core.redis_registry import RedisRegistry
from core.registry import Production
from trainer.own_figures import own_figures_of_run
from trainer.run_log import LOGGED

#: Reason of the promotion that brings production back.
SEEDED = "seeded from MiniFlow"


class Seeded(NamedTuple):
    """Production in Redis, and whether it was brought back just now."""

    production: Production | None
    brought_back: bool


def seed_production(registry: RedisRegistry, files: FileRegistry) -> Seeded:
    """Production in Redis; where there is none, the one of MiniFlow is promoted into it. None: neither has one.

    Raises
    ------
    RegistryError
        Redis has none, and what MiniFlow has is damaged.
    """
    production = registry.production()
    if production is not None:
        return Seeded(production, brought_back=False)
    try:
        lost = files.production()
        if lost is None:
            return Seeded(None, brought_back=False)
        model = files.model(lost.run_id)
        own = own_figures_of_run(MiniFlow(files.root, files.experiment), lost.run_id, model)
        made = registry.promote(lost.run_id, model, 0, SEEDED, encode_alone(own))
    except Superseded:
        return Seeded(registry.production(), brought_back=False)  # another trainer was first
    except (RegistryError, ModelFileError) as error:
        raise RegistryError(f"Redis has no production model, and MiniFlow cannot give one: {error}") from error
    return Seeded(made, brought_back=True)


def mirror(files: FileRegistry, production: Production, log: FilteringBoundLogger) -> None:
    """Copy the pointer beside the runs, unless it stands there; a disk that refuses is said and stops nothing."""
    try:
        try:
            if files.production() == production:
                return
        except RegistryError as error:
            log.warning("registry file replaced", error=str(error))
        files.mirror(production)
    except StreamgaugeError as error:
        log.warning("registry file not written", error=str(error))


def record_promotion(registry: RedisRegistry | FileRegistry, miniflow: MiniFlow, production: Production) -> None:
    """Give the production run the outcome that a kill behind its promotion left out, if the run is here."""
    try:
        run = miniflow.run(production.run_id)
        if run.meta.outcome == LOGGED:
            reasons = [each.reason for each in registry.history(1) if each.run_id == production.run_id]
            run.finish("promoted", "".join(reasons))
    except (UnknownRun, UsageError):
        return


def production_model(
    registry: RedisRegistry, files: FileRegistry, run_id: str, log: FilteringBoundLogger
) -> ModelFile:
    """The model of the production run; bytes that Redis lost are put back from MiniFlow.

    Raises
    ------
    UnknownModelFormat
        Redis has it in a format that is not read here; nothing is put in its place.
    UnknownRun, ModelFileError
        Neither has it whole.
    """
    try:
        return registry.model(run_id)
    except UnknownModelFormat:
        raise
    except (UnknownRun, ModelFileError) as missing:
        model = files.model(run_id)
        put_back(registry, run_id, model)
        log.warning("model put back from MiniFlow", model=run_id, error=str(missing))
        return model


def put_back(registry: RedisRegistry, run_id: str, model: ModelFile) -> None:
    """Write the bytes of a run's model into Redis again; production does not change by it."""
    registry.connection.call("HSET", registry.keys.models, run_id, model.encoded, f"{run_id}:sha256", model.sha256)
