"""From a table to a model with its profile and figures, and from there to a logged run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.concept_reference import fit_concept_reference
from core.errors import DataError
from core.miniflow import MODEL_ARTIFACT, MiniFlow, Parameter
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import TrainingProfile, profile_rows
from trainer.drift_reference import drift_reference, rows_before
from trainer.evaluation import Evaluation, evaluate
from trainer.holdout import HOLDOUT_ARTIFACT, Holdout
from trainer.loss import reported_probability
from trainer.model_card import MODEL_CARD_ARTIFACT, ModelCard, constant_features
from trainer.profile_document import PROFILE_ARTIFACT, profile_document
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.newton import Newton
from trainer.split import Rows, Split, stratified_split
from trainer.table import Labels, Table

#: The solver of a run that names none: L2 with C = 1, because it arrives on collinear features.
DEFAULT_SOLVER = Newton()
#: A feature beyond this has a variance that float64 cannot hold.
MAX_MAGNITUDE = 1e150
#: Outcome of a run that is logged and waits for the promotion rule.
LOGGED = "logged"


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained model with all that a run records of it."""

    file: ModelFile
    solution: Solution
    solver: Solver
    seed: int
    train: Evaluation
    validation: Evaluation
    train_class1_rows: int
    holdout: Holdout

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting the model: one sentence each, with its remedy."""
        if self.solution.converged:
            return ()
        where = f"{self.solver.name} stopped after {self.solution.history[-1].step} steps without converging"
        if self.solver.params["c"] == "inf" and self.train.accuracy == 1.0:
            remedy = (
                "the classes can be separated, so that without a penalty there is no best model; set inverse_l2 "
                "to a finite value, such as 1"
            )
        elif self.solver.name == DEFAULT_SOLVER.name:
            remedy = "set inverse_l2 to a finite value, such as 1, or look for features that tell the same"
        else:
            remedy = "set solver to newton, which arrives on nearly collinear features too"
        return (f"{where} (gradient {self.solution.gradient_norm:.1e}); {remedy}.",)

    @property
    def card(self) -> ModelCard:
        """The model card."""
        model = self.file.model
        schema = model.schema
        return ModelCard(
            kind="logistic regression on standardised features",
            features=schema.features,
            classes=schema.classes,
            schema=schema.fingerprint,
            model_sha256=self.file.sha256,
            solver=self.solver.name,
            solver_params=self.solver.params,
            converged=self.solution.converged,
            gradient_norm=self.solution.gradient_norm,
            seed=self.seed,
            train_rows=self.train.rows,
            train_class1_rows=self.train_class1_rows,
            holdout_rows=self.validation.rows,
            constant_features=constant_features(self.file),
            intercept=model.intercept,
            coefficients=dict(zip(schema.features, model.coefficients.tolist(), strict=True)),
            train=self.train,
            validation=self.validation,
        )


def fit(
    table: Table,
    *,
    seed: int,
    solver: Solver = DEFAULT_SOLVER,
    split: Split | None = None,
    ordered: bool = True,
    before: Floats | None = None,
    blocks: int | None = None,
) -> FittedModel:
    """Train on one part of ``table`` and judge on the other; equal arguments give equal bytes.

    Without ``split``, a stratified fifth is held out by ``seed``. Scaler, profile and drift reference see the
    training rows alone, but for what is told of each by the record before it.

    Parameters
    ----------
    ordered
        Whether the order of the rows counts, as that of time.
    before
        (n, d) the record just before each row of ``table`` in time, nan where it is not known. None: of ordered
        rows, the row before each in the table.
    blocks
        As in :func:`trainer.drift_reference.drift_reference`.

    Raises
    ------
    DataError
        Training rows of one class or in which no feature varies, an empty holdout, or values that are not finite
        or too large to standardise.
    ReferenceDrifts
        Ordered training rows that change in their own course.
    """
    _check_values(table)
    split = stratified_split(table.y, seed) if split is None else split
    x, y = table.x[split.train], table.y[split.train]
    holdout = Holdout(table.x[split.holdout], table.y[split.holdout])
    _check_parts(y, holdout.y, table.classes)
    profile = profile_rows(x, table.features, seed)
    if not profile.varies.any():
        raise DataError(
            "every feature has the same value in all training rows, so there is nothing to learn or to watch; "
            "give a table in which at least one feature varies"
        )
    problem = Problem(profile.standardise(x), y, profile.standardise(holdout.x), holdout.y)
    solution = solver.solve(problem, seed)
    model = _model(table, profile, solution)
    order = split.train if ordered else None
    predecessors = _predecessors(table, split.train, before) if ordered else None
    reference = drift_reference(model, profile, x, y, order, predecessors, seed, blocks)
    concept = fit_concept_reference(model.score(holdout.x).logit, holdout.y)
    return FittedModel(
        file=ModelFile(model, profile, reference, concept),
        solution=solution,
        solver=solver,
        seed=seed,
        train=evaluate(y, probability(model, x)),
        validation=evaluate(holdout.y, probability(model, holdout.x)),
        train_class1_rows=int(y.sum()),
        holdout=holdout,
    )


def probability(model: LogisticModel, x: Floats) -> Floats:
    """(n,) probability of class 1 for raw rows ``x`` (n, d), with logits clipped as reported losses clip them."""
    return reported_probability(model.score(x).logit)


def log_run(
    miniflow: MiniFlow,
    fitted: FittedModel,
    reason: str,
    extra_params: Mapping[str, Parameter] | None = None,
) -> str:
    """Log a fitted model as a run and return its id.

    Steps: open the run; parameters; a metrics line an epoch and one of final figures; holdout, profile, card; the
    model last, so that a run with a model has all that belongs to it. The outcome is ``logged`` until the caller
    records the promotion rule's with ``miniflow.run(run_id).finish(...)``.

    Raises
    ------
    UsageError
        The MiniFlow directory cannot be written.
    """
    run = miniflow.start_run(reason)
    run.log_params(_params(fitted) | dict(extra_params or {}))
    history = fitted.solution.history
    run.log_metric_lines([(epoch.step, epoch.metrics) for epoch in history])
    run.log_metrics(history[-1].step, _final_metrics(fitted))
    run.write_artifact(HOLDOUT_ARTIFACT, fitted.holdout.encoded)
    run.write_artifact(PROFILE_ARTIFACT, profile_document(fitted.file.profile))
    run.write_artifact(MODEL_CARD_ARTIFACT, fitted.card.encoded)
    run.write_artifact(MODEL_ARTIFACT, fitted.file.encoded)
    run.finish(LOGGED, "The model is trained and logged; it is not judged yet.")
    return run.run_id


def _params(fitted: FittedModel) -> dict[str, Parameter]:
    schema = fitted.file.model.schema
    return {
        "seed": fitted.seed,
        "solver": fitted.solver.name,
        **{f"solver_{name}": setting for name, setting in fitted.solver.params.items()},
        "train_rows": fitted.train.rows,
        "holdout_rows": fitted.validation.rows,
        "schema": schema.fingerprint,
        "class_0": schema.classes[0],
        "class_1": schema.classes[1],
    }


def _final_metrics(fitted: FittedModel) -> dict[str, float | None]:
    return {
        f"{part}_{name}": figure
        for part, evaluation in (("train", fitted.train), ("validation", fitted.validation))
        for name, figure in (("auc", evaluation.auc), ("brier", evaluation.brier))
    } | {"gradient_norm": fitted.solution.gradient_norm}


def _model(table: Table, profile: TrainingProfile, solution: Solution) -> LogisticModel:
    # a constant column tells nothing of its weight; zero keeps a solver's random start out of the model
    coefficients = np.where(profile.varies, solution.coefficients, 0.0)
    return LogisticModel(table.schema, coefficients, solution.intercept, profile.mean, profile.standard_deviation)


def _predecessors(table: Table, rows: Rows, before: Floats | None) -> Floats:
    """(n, d) the record before each of ``rows`` (n,) of a table; nan too where it could not be a row itself."""
    if before is None:
        return rows_before(table.x, rows)
    found = before[rows]
    with np.errstate(invalid="ignore"):
        found[~(np.abs(found) <= MAX_MAGNITUDE).all(axis=1)] = np.nan
    return found


def _check_values(table: Table) -> None:
    with np.errstate(invalid="ignore"):
        usable = np.abs(table.x) <= MAX_MAGNITUDE
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        raise DataError(
            f"column {table.features[column]!r} holds {table.x[row, column]}; rescale it to finite values "
            f"below {MAX_MAGNITUDE:g}"
        )


def _check_parts(train: Labels, holdout: Labels, classes: tuple[str, str]) -> None:
    if not len(holdout):
        raise DataError("no rows are held out; add labelled rows so that the model can be judged")
    for label, name in enumerate(classes):
        if not (train == label).any():
            raise DataError(f"no training row is of class {name!r}; add labelled rows of it")
