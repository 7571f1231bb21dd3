"""What the commands of the registry do: fit, runs, promote, rollback, retrain.

Each works on the MiniFlow directory alone, or on Redis where ``redis_url`` is set; then Redis decides and the file
beside the runs is its copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.connection import Connection, RedisError, without_password
from core.drift_window import RetrainEvent
from core.errors import (
    ModelFileError,
    NoProductionModel,
    SchemaError,
    ServerUnavailable,
    Superseded,
    UnknownRun,
)
from core.fields import encode_fields
from core.file_registry import FileRegistry
from core.miniflow import MODEL_ARTIFACT, MiniFlow, RunSummary
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from core.registry import Production, Registry
from core.schema import Schema
from core.settings import Settings
from trainer.evaluation import Evaluation
from trainer.fit import FittedModel, fit, log_run
from trainer.promotion import Verdict, judge
from trainer.retraining import Duel, duel, own_holdout
from trainer.seeding import put_back, seed_production
from trainer.solvers.base import Solver
from trainer.solvers.choice import chosen_solver
from trainer.table import Table, read_table

#: Why a run was started or promoted, where a person asked.
FIT, MANUAL, ROLLBACK = "fit", "manual", "rollback"


@dataclass(frozen=True, eq=False)
class FitReport:
    """What ``fit`` did."""

    run_id: str
    promoted: bool
    verdict: str  #: one sentence
    class_note: str  #: which value is class 1, and why
    rows: int
    train: Evaluation
    validation: Evaluation
    converged: bool
    warnings: tuple[str, ...]  #: one sentence each, with its remedy
    production: Production | None  #: afterwards
    against: str | None  #: run that it was compared with
    judged: Duel | None  #: both on the new run's validation rows
    fixed_holdout: Duel | None  #: both on production's own holdout


@dataclass(frozen=True)
class RunListing:
    """All runs, newest first, and which of them is in production."""

    runs: list[RunSummary]
    production: Production | None


def fit_table(
    csv: Path,
    label: str,
    positive: str | None,
    settings: Settings,
    solver: Solver | None = None,
    *,
    new_schema: bool = False,
    ordered: bool = True,
    on_fitted: Callable[[Table, FittedModel], None] | None = None,
) -> FitReport:
    """Train on a table, log the run, promote it by the rule.

    The first model is promoted if it is valid. A later one needs a lower log-loss than production on its own
    validation rows, and must not be significantly worse on production's fixed holdout. A table of another schema
    needs ``new_schema``; nothing can be compared then, and its model is promoted if it is valid. The order of the
    rows counts as that of time unless ``ordered`` is False. ``on_fitted`` is shown the table and the model, when
    both are whole and nothing is logged yet.

    Raises
    ------
    DataError
        A file that cannot be used, or whose rows drift themselves.
    SchemaError
        Another schema than production's, without ``new_schema``.
    UsageError
        A MiniFlow directory that cannot be written, or no Redis at ``redis_url``.
    """
    table = read_table(csv, label, positive)
    with _registries(settings) as books:
        production = books.registry.production()
        current = None if production is None else books.usable_model(production.run_id)
        if current is not None and not new_schema:
            _check_schema(table.schema, current.model.schema)
        fitted = fit(table, seed=settings.seed, solver=solver or chosen_solver(settings), ordered=ordered)
        if on_fitted is not None:
            on_fitted(table, fitted)
        run_id = log_run(books.miniflow, fitted, FIT, {"csv": csv.name, "label": label})
        contest = _judged(books.miniflow, fitted, production, current)
        promoted, verdict = contest.verdict.promote, contest.verdict.reason
        if promoted:
            try:
                production = books.promote(run_id, fitted.file, production, verdict)
            except Superseded as error:
                promoted, verdict = False, f"The model was better, but {error}."
        outcome = "promoted" if promoted else "superseded" if contest.verdict.promote else "refused"
        books.miniflow.run(run_id).finish(outcome, verdict)
        return FitReport(
            run_id,
            promoted,
            verdict,
            table.class_note,
            len(table.y),
            fitted.train,
            fitted.validation,
            fitted.solution.converged,
            fitted.warnings,
            production if promoted else books.registry.production(),
            contest.against,
            contest.judged,
            contest.fixed_holdout,
        )


def promote_run(run: str, settings: Settings, new_schema: bool = False) -> Production:
    """Put a run into production by hand.

    One that is there already stays as it is, but that a store whose copy of its model is lost or damaged is given
    the whole one of the other.

    Raises
    ------
    UnknownRun, ModelFileError
        No such run, or one without a whole model.
    SchemaError
        Another schema than production's, without ``new_schema``.
    Superseded
        Production changed at the same time.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    with _registries(settings) as books:
        production = books.registry.production()
        if production is not None and production.run_id == run:
            books.restore(run)
            return production
        model = books.model(run)
        current = None if production is None else books.usable_model(production.run_id)
        if current is not None and not new_schema:
            _check_schema(model.model.schema, current.model.schema)
        return books.promote(run, model, production, MANUAL)


def rollback(settings: Settings) -> Production:
    """Put the run before back into production, of whatever schema: it was there.

    Raises
    ------
    NoProductionModel
        Nothing is in production, or nothing was before it.
    UnknownRun, ModelFileError
        The run before has no whole model any more.
    Superseded
        Production changed at the same time.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    with _registries(settings) as books:
        production = _required(books.registry.production())
        if production.previous is None:
            raise NoProductionModel(
                f"run {production.run_id} is the first in production, so there is none to go back to; "
                "choose one with `streamgauge promote RUN`"
            )
        return books.promote(production.previous, books.model(production.previous), production, ROLLBACK)


def list_runs(settings: Settings) -> RunListing:
    """All runs of the pipeline in the MiniFlow directory. Raises RegistryError, ServerUnavailable."""
    with _registries(settings) as books:
        return RunListing(books.miniflow.runs(), books.registry.production())


def request_retrain(settings: Settings) -> str:
    """Write a manual retrain event and return its id; the trainer answers it.

    Raises
    ------
    ServerUnavailable
        No ``redis_url``, or no Redis at it.
    NoProductionModel
        There is nothing to retrain.
    """
    if settings.redis_url is None:
        raise ServerUnavailable("a retrain event needs Redis; set redis_url (--redis-url), or use streamgauge fit")
    with _registries(settings) as books, Connection(settings.redis_url) as connection:
        production = _required(books.registry.production())
        event = RetrainEvent(reason="manual", model=production.run_id)
        event_id: bytes = connection.call("XADD", settings.keys.retrain, "*", *encode_fields(event))
        return event_id.decode()


@dataclass(frozen=True)
class _Registries:
    """The registry that decides, and the file beside the runs."""

    registry: Registry
    files: FileRegistry
    miniflow: MiniFlow

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
        """The same, or None where it is lost or damaged: such a model cannot defend its place."""
        for store in (self.registry, self.miniflow):
            try:
                return store.model(run_id)
            except (UnknownRun, ModelFileError):
                continue
        return None

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

    def promote(self, run_id: str, model: ModelFile, production: Production | None, reason: str) -> Production:
        """Promote over what the caller saw; then copy the pointer."""
        made = self.registry.promote(run_id, model, 0 if production is None else production.epoch, reason)
        if self.registry is not self.files:
            self.files.mirror(made)
        return made


def _holds(store: RedisRegistry | MiniFlow, run_id: str) -> bool:
    """Whether a store has the whole model of a run."""
    try:
        store.model(run_id)
    except (UnknownRun, ModelFileError):
        return False
    return True


@contextmanager
def _registries(settings: Settings) -> Iterator[_Registries]:
    """Open what the settings name; an empty Redis is first given what the file says."""
    files = FileRegistry(settings.miniflow_path, settings.pipeline)
    miniflow = MiniFlow(settings.miniflow_path, settings.pipeline)
    if settings.redis_url is None:
        yield _Registries(files, files, miniflow)
        return
    with Connection(settings.redis_url).require() as connection:
        try:
            registry = RedisRegistry(connection, settings.keys)
            production, brought_back = seed_production(registry, files)
            if brought_back and production is not None:
                files.mirror(production)
            yield _Registries(registry, files, miniflow)
        except RedisError as error:
            raise ServerUnavailable(
                f"Redis at {without_password(settings.redis_url)} did not do what was asked ({error}); "
                "mend it and run the command again"
            ) from error


@dataclass(frozen=True, eq=False)
class _Contest:
    verdict: Verdict
    against: str | None = None
    judged: Duel | None = None
    fixed_holdout: Duel | None = None


def _judged(
    miniflow: MiniFlow, fitted: FittedModel, production: Production | None, current: ModelFile | None
) -> _Contest:
    if production is None:
        return _Contest(judge(fitted.validation.log_loss, None))
    if current is None or current.model.schema != fitted.file.model.schema:
        valid = judge(fitted.validation.log_loss, None)
        why = "has no whole model" if current is None else "is of another schema"
        reason = f"Production {why}, so there is nothing to compare with."
        return _Contest(Verdict(True, reason) if valid.promote else valid)
    judged = duel(fitted.file, current, fitted.holdout)
    holdout = own_holdout(miniflow, production.run_id)
    fixed = None if holdout is None or not len(holdout.y) else duel(fitted.file, current, holdout)
    verdict = judge(
        judged.candidate.log_loss, judged.production.log_loss, None if fixed is None else fixed.difference
    )
    return _Contest(verdict, production.run_id, judged, fixed)


def _check_schema(new: Schema, current: Schema) -> None:
    if new == current:
        return
    if new.features != current.features:
        missing = [name for name in current.features if name not in new.features]
        extra = [name for name in new.features if name not in current.features]
        parts = [f"without {', '.join(missing[:5])}"] * bool(missing) + [f"with {', '.join(extra[:5])}"] * bool(
            extra
        )
        what = "other features than production (" + (" and ".join(parts) or "in another order") + ")"
    else:
        what = f"other classes {new.classes} than production {current.classes}"
    raise SchemaError(f"this model has {what}; say --new-schema if the records change with it")


def _required(production: Production | None) -> Production:
    if production is None:
        raise NoProductionModel("nothing is in production yet; run `streamgauge fit` first")
    return production
