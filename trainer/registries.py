"""The registry that decides, the file beside the runs, and the runs: where commands look for models.

With ``redis_url`` Redis decides and the file is its copy; without it the file does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from core.connection import Connection, RedisError, without_password
from core.decision_entry import add_decision, require_decisions
from core.errors import (
    ModelFileError,
    NoProductionModel,
    RegistryError,
    ServerUnavailable,
    UnknownModelFormat,
    UnknownRun,
)
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow
from core.model_file import ModelFile
from core.own_figures import encode_alone
from core.redis_registry import RedisRegistry
from core.registry import Production, Registry
from core.settings import Settings
from trainer.own_figures import own_figures_of_run
from trainer.seeding import put_back, record_promotion, seed_production


@dataclass(frozen=True)
class Registries:
    """The registry that decides, and the file beside the runs."""

    registry: Registry
    files: FileRegistry
    miniflow: MiniFlow

    def named(self, text: str) -> str:
        """The id of the run that a person names: ``production``, ``previous``, an id, or the beginning of one.

        Raises
        ------
        NoProductionModel
            Nothing is there yet.
        UnknownRun
            No run or several begin so, or it is no beginning of an id.
        """
        if text not in {"production", "previous"}:
            return self.miniflow.find(text)
        production = self.registry.production()
        found = production and (production.run_id if text == "production" else production.previous)
        if not found:
            raise NoProductionModel(f"there is no {text} run yet; name a run that `streamgauge runs` lists")
        return found

    def model(self, run_id: str) -> ModelFile:
        """A run's model, from its run or from the registry, whichever is whole."""
        try:
            return self.miniflow.model(run_id)
        except UnknownRun:
            return self.registry.model(run_id)
        except ModelFileError:
            model = self.usable_model(run_id)
            if model is None:
                raise
            return model

    def usable_model(self, run_id: str) -> ModelFile | None:
        """The same, or None where it is lost or damaged: such a model cannot defend its place.

        Raises UnknownModelFormat where this version cannot tell.
        """
        unknown: UnknownModelFormat | None = None
        for store in (self.registry, self.miniflow):
            try:
                return store.model(run_id)
            except UnknownModelFormat as error:
                unknown = error
            except (UnknownRun, ModelFileError):
                continue
        if unknown is not None:
            raise unknown
        return None

    def rival(self, production: Production | None, *, new_schema: bool) -> ModelFile | None:
        """What a new model has to be compared with, if there is anything.

        Raises UnknownModelFormat where it cannot be read here, unless ``new_schema`` consents to replace it.
        """
        if production is None:
            return None
        try:
            return self.usable_model(production.run_id)
        except UnknownModelFormat as error:
            if new_schema:
                return None
            consent = ", or say --new-schema to replace it without a comparison" if error.newer else ""
            message = f"production is run {production.run_id}, and its {error}{consent}"
            raise UnknownModelFormat(message, newer=error.newer) from error

    def restore(self, run_id: str) -> None:
        """Give a store whose copy of a model is lost or damaged the other's. Raises ModelFileError where both are.

        A run that was made elsewhere is not made up here: only its damaged file is written again.
        """
        model = self.usable_model(run_id)
        if model is None:
            raise ModelFileError(
                f"the model of run {run_id} is damaged and there is no whole copy of it to restore; run "
                "`streamgauge fit` again, or go back with `streamgauge rollback`"
            )
        if isinstance(self.registry, RedisRegistry) and not _holds(self.registry, run_id):
            put_back(self.registry, run_id, model)
        with suppress(UnknownRun):
            run = self.miniflow.run(run_id)
            if not _holds(self.miniflow, run_id):
                run.write_artifact(MODEL_ARTIFACT, model.encoded)

    def promote(
        self, run_id: str, model: ModelFile, production: Production | None, reason: str, decision: bytes = b""
    ) -> Production:
        """Promote over what the caller saw; then copy the pointer."""
        made = self.registry.promote(
            run_id, model, 0 if production is None else production.epoch, reason, decision
        )
        if self.registry is not self.files:
            self.files.follow(self.registry)
        return made

    def promote_by_hand(
        self, run_id: str, model: ModelFile, production: Production | None, reason: str
    ) -> Production:
        """The same where a person decided; told with the run's own figures, if it is here."""
        own = own_figures_of_run(self.miniflow, run_id, model)
        return self.promote(run_id, model, production, reason, encode_alone(own))

    def require_telling(self) -> None:
        """Fail where :meth:`tell` would, before a candidate is made that may take long."""
        if isinstance(self.registry, RedisRegistry):
            require_decisions(self.registry.connection, self.registry.keys)

    def tell(self, decision: list[bytes]) -> None:
        """Tell Redis, where there is one, that a person's candidate did not replace production."""
        if isinstance(self.registry, RedisRegistry):
            add_decision(self.registry.connection, self.registry.keys, decision)


def _holds(store: RedisRegistry | MiniFlow, run_id: str) -> bool:
    """Whether a store has the whole model of a run; one of an unknown format is not ours to replace."""
    try:
        store.model(run_id)
    except UnknownModelFormat:
        return True
    except (UnknownRun, ModelFileError):
        return False
    return True


@contextmanager
def open_registries(settings: Settings) -> Iterator[Registries]:
    """Open what the settings name; an empty Redis is first given what the file says."""
    files = FileRegistry(settings.miniflow_path, settings.pipeline)
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    if settings.redis_url is None:
        with suppress(RegistryError):  # a damaged file is for the command to tell of
            production = files.production()
            if production is not None:
                record_promotion(files, miniflow, production)
        yield Registries(files, files, miniflow)
        return
    with Connection(settings.redis_url).require() as connection:
        try:
            registry = RedisRegistry(connection, settings.keys)
            production, brought_back = seed_production(registry, files)
            if brought_back and production is not None:
                files.mirror(production)
            yield Registries(registry, files, miniflow)
        except RedisError as error:
            raise ServerUnavailable(
                f"Redis at {without_password(settings.redis_url)} did not do what was asked ({error}); "
                "mend it and run the command again"
            ) from error
