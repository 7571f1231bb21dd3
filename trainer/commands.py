"""What the commands of the registry do: fit, runs, threshold, promote, rollback, retrain.

Each works on the MiniFlow directory alone, or on Redis where ``redis_url`` is set; then Redis decides and the file
beside the runs is its copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.errors import (
    DataError,
    NoProductionModel,
    SchemaError,
    ServerUnavailable,
)
from core.fields import encode_fields
from core.miniflow import Parameter, Run, RunSummary
from core.model import Floats
from core.model_file import ModelFile
from core.registry import Production
from core.schema import Schema
from core.settings import Settings
from trainer.calibration.report import CalibrationReport
from trainer.candidacy import Candidate, Settlement, judge_candidate, settle, spread_neighbours
from trainer.decision import choices_of
from trainer.evaluation import Evaluation
from trainer.fit import FittedModel, fit
from trainer.holdout import Holdout
from trainer.operating_point import OperatingPoint
from trainer.out_of_sample import own_out_of_sample
from trainer.promotion.decision import PromotionDecision
from trainer.promotion.duel import Duel
from trainer.registries import open_registries
from trainer.retraining import own_holdout
from trainer.run_log import log_run
from trainer.solvers.base import Solver
from trainer.solvers.choice import chosen_solver
from trainer.split import SplitKind, check_order, split_by
from trainer.table import Table, read_table
from trainer.threshold_sweep import ThresholdSweep, sweep_holdout
from trainer.training_rows import TrainingRows

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
    calibration: CalibrationReport
    operating_point: OperatingPoint
    converged: bool
    warnings: tuple[str, ...]  #: one sentence each, with its remedy
    production: Production | None  #: afterwards
    against: str | None  #: run that it was compared with
    decision: PromotionDecision  #: as it stands in the run

    @property
    def judged(self) -> Duel | None:
        """Both on the new run's validation rows."""
        return self.decision.judged

    @property
    def fixed_holdout(self) -> Duel | None:
        """Both on those rows of production's own holdout that the new model was not trained on."""
        return self.decision.fixed_holdout


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
    split: SplitKind = "stratified",
    on_fitted: Callable[[Table, FittedModel], None] | None = None,
) -> FitReport:
    """Train on a table, log the run, promote it by the rule; see :func:`enter_model`.

    The order of the rows counts as that of time unless ``ordered`` is False. ``split`` "time" holds out the newest
    rows, so that none trains that comes after one of them.

    Raises
    ------
    DataError
        A file that cannot be used, or whose rows drift themselves.
    SettingsError
        A split in time of rows that are in no order.
    SchemaError, UnknownModelFormat
        Another schema than production's, or one that this version cannot read, without ``new_schema``.
    UsageError
        A MiniFlow directory that cannot be written, or no Redis at ``redis_url``.
    """
    check_order(split, ordered=ordered)
    table = read_table(csv, label, positive)

    def trained(alike: ModelFile | None) -> FittedModel:
        return fit(
            table,
            seed=settings.seed,
            solver=solver or chosen_solver(settings),
            split=split_by(split, table.y, settings.seed, table.classes),
            ordered=ordered,
            choices=choices_of(settings, alike),
        )

    params: dict[str, Parameter] = {"csv": csv.name, "label": label, "split": split}
    return enter_model(
        table,
        trained,
        settings,
        FIT,
        params,
        new_schema=new_schema,
        ordered=ordered,
        in_time=split == "time",
        on_fitted=on_fitted,
    )


def enter_model(
    table: Table,
    make: Callable[[ModelFile | None], FittedModel],
    settings: Settings,
    reason: str,
    params: Mapping[str, Parameter],
    *,
    new_schema: bool = False,
    ordered: bool = False,
    in_time: bool = False,
    trained_on: Floats | None = None,
    on_fitted: Callable[[Table, FittedModel], None] | None = None,
) -> FitReport:
    """Make a model of a table, log the run, promote it by the rule.

    The first model is promoted if it is valid. A later one needs a significantly lower log-loss than production on
    its own validation rows, and must break no guardrail (:mod:`trainer.promotion.rule`). A table of another schema
    needs ``new_schema``, and so does production of a format that is not known here; nothing can be compared then,
    and the model is promoted if it is valid.

    Parameters
    ----------
    make
        Is given production's model, where it is of the table's schema.
    ordered
        Whether the order of the rows is that of time.
    in_time
        Whether the rows that judge come after all others.
    trained_on
        (m, d) rows that the model may have been trained on; None: those of the table that it does not hold out.
    on_fitted
        Is shown the table and the model, when both are whole and nothing is logged yet.

    Raises
    ------
    SchemaError, UnknownModelFormat, UsageError
        As :func:`fit_table`.
    """

    def candidate(alike: ModelFile | None) -> Candidate:
        fitted = make(alike)
        if on_fitted is not None:
            on_fitted(table, fitted)
        rest = np.delete(np.arange(len(table.y)), fitted.holdout_rows)
        known = table.x[rest] if trained_on is None else trained_on
        others = Holdout(table.x[rest], table.y[rest])
        neighbours = others if in_time else spread_neighbours(fitted.holdout, ordered=ordered)
        return Candidate(fitted, table.class_note, len(table.y), TrainingRows([known], known), neighbours)

    return enter_candidate(table.schema, candidate, settings, reason, params, new_schema=new_schema)


def enter_candidate(
    schema: Schema,
    make: Callable[[ModelFile | None], Candidate],
    settings: Settings,
    reason: str,
    params: Mapping[str, Parameter],
    *,
    new_schema: bool = False,
) -> FitReport:
    """The same of a model of rows that need not be in memory; all of it as :func:`enter_model` has it."""
    with open_registries(settings) as books:
        production = books.registry.production()
        current = books.rival(production, new_schema=new_schema)
        if current is not None and not new_schema:
            _check_schema(schema, current.model.schema)
        books.require_telling()
        made = make(current if current is not None and current.model.schema == schema else None)
        fitted = made.fitted
        run_id = log_run(books.miniflow, fitted, reason, params)
        decision = judge_candidate(
            books.miniflow,
            fitted.file,
            fitted.holdout,
            made.trained_on,
            production,
            current,
            neighbours=made.neighbours,
        )
        return _report(run_id, made, settle(books, run_id, fitted.file, decision, production))


def _report(run_id: str, made: Candidate, settled: Settlement) -> FitReport:
    fitted = made.fitted
    return FitReport(
        run_id,
        settled.promoted,
        settled.verdict,
        made.class_note,
        made.rows,
        fitted.train,
        fitted.validation,
        fitted.decision.calibration,
        fitted.decision.operating_point,
        fitted.solution.converged,
        fitted.warnings,
        settled.production,
        None if settled.decision.judged is None else settled.decision.production,
        settled.decision,
    )


def promote_run(run: str, settings: Settings, new_schema: bool = False) -> Production:
    """Put a run into production by hand.

    One that is there already stays as it is, but that a store whose copy of its model is lost or damaged is given
    the whole one of the other.

    Raises
    ------
    UnknownRun, ModelFileError
        No such run, or one without a whole model.
    SchemaError, UnknownModelFormat
        Another schema than production's, or one that this version cannot read, without ``new_schema``.
    Superseded
        Production changed at the same time.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    with open_registries(settings) as books:
        run = books.named(run)
        production = books.registry.production()
        if production is not None and production.run_id == run:
            books.restore(run)
            return production
        model = books.model(run)
        current = books.rival(production, new_schema=new_schema)
        if current is not None and not new_schema:
            _check_schema(model.model.schema, current.model.schema)
        return books.promote_by_hand(run, model, production, MANUAL)


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
    with open_registries(settings) as books:
        production = _required(books.registry.production())
        if production.previous is None:
            raise NoProductionModel(
                f"run {production.run_id} is the first in production, so there is none to go back to; "
                "choose one with `streamgauge promote RUN`"
            )
        before = production.previous
        return books.promote_by_hand(before, books.model(before), production, ROLLBACK)


def list_runs(settings: Settings) -> RunListing:
    """All runs of the pipeline in the MiniFlow directory. Raises RegistryError, ServerUnavailable."""
    with open_registries(settings) as books:
        return RunListing(books.miniflow.runs(), books.registry.production())


def run_with_model(settings: Settings, run: str | None) -> tuple[Run, ModelFile]:
    """A run's directory and its model; None: the run in production.

    Raises
    ------
    NoProductionModel, UnknownRun, ModelFileError
        There is no such run, or it is not whole; a run without a model is one.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    with open_registries(settings) as books:
        run_id = _required(books.registry.production()).run_id if run is None else books.named(run)
        return books.miniflow.run(run_id), books.model(run_id)


def sweep_thresholds(settings: Settings, run: str | None, at: Sequence[float] | None) -> ThresholdSweep:
    """A run on its own holdout at thresholds ``at``, and at the best one by the settings' rule; None: production.

    Raises
    ------
    NoProductionModel, UnknownRun, ModelFileError
        There is no such run, or it is not whole.
    DataError
        The run's holdout is not in this MiniFlow directory, or no threshold meets the rule.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    with open_registries(settings) as books:
        run_id = _required(books.registry.production()).run_id if run is None else books.named(run)
        file = books.model(run_id)
        holdout = own_holdout(books.miniflow, run_id)
        if holdout is None or not len(holdout.y) or holdout.x.shape[1] != file.model.schema.width:
            raise DataError(
                f"the held-out rows of run {run_id} are not in {settings.miniflow}; give --miniflow the directory "
                "that the run was logged in, or fit again"
            )
        rows = own_out_of_sample(books.miniflow, run_id)
        return sweep_holdout(run_id, file, holdout, rows, at, settings.threshold_rule)


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
    with open_registries(settings) as books, Connection(settings.redis_url) as connection:
        production = _required(books.registry.production())
        event = RetrainEvent(reason="manual", model=production.run_id)
        event_id: bytes = connection.call("XADD", settings.keys.retrain, "*", *encode_fields(event))
        return event_id.decode()


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
        if new.classes == current.classes[::-1]:
            raise SchemaError(
                f"{new.classes[1]!r} is class 1 of this model, and {current.classes[1]!r} of production; "
                f"say --positive {current.classes[1]} to keep production's, or --new-schema to change it"
            )
    raise SchemaError(f"this model has {what}; say --new-schema if the records change with it")


def _required(production: Production | None) -> Production:
    if production is None:
        raise NoProductionModel("nothing is in production yet; run `streamgauge fit` first")
    return production
