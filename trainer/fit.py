"""From a table to a model with its profile and figures; :mod:`trainer.run_log` logs it as a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.concept_reference import fit_concept_reference
from core.data_fingerprint import DataFingerprint, fingerprint
from core.errors import DataError
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import TrainingProfile, profile_rows
from trainer.calibration.folds import calibrated
from trainer.decision import Choices, Decision, decide
from trainer.diagnostics.diagnosis import diagnose
from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding, WarningKind
from trainer.drift_reference import drift_reference, rows_before
from trainer.evaluation import Evaluation, evaluate
from trainer.holdout import Holdout
from trainer.kept_rows import KeptRows
from trainer.metrics.weighting import row_weights
from trainer.model_card import ModelCard, constant_features
from trainer.out_of_sample import OutOfSample, cross_fit, stopping_problem
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.newton import Newton
from trainer.split import Rows, Split, stratified_split
from trainer.table import MAX_MAGNITUDE, Labels, Table
from trainer.training_rows import RowPrints, row_prints

#: The solver of a run that names none: L2 with C = 1, because it arrives on collinear features.
DEFAULT_SOLVER = Newton()
#: The model's own probabilities, and class 1 from even odds on.
NO_CHOICES = Choices()


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
    out_of_sample: OutOfSample | None  #: what the decision was found on; None where a class has too few rows
    decision: Decision
    findings: tuple[Finding, ...]  #: what :func:`trainer.diagnostics.diagnosis.diagnose` says of it
    data: DataFingerprint  #: of the rows that it was trained on
    holdout_rows: Rows  #: (n_holdout,) their numbers in the table
    trained_prints: RowPrints  #: of the training rows; of those in ``sample`` where there is one
    sample: KeptRows | None = None  #: rows that the drift reference is of; None: all training rows
    notes: tuple[str, ...] = ()  #: what else to know of where the model comes from, one sentence each

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting the model: one sentence each, with its remedy."""
        return (*(finding.sentence for finding in self.findings), *self.decision.warnings, *self.notes)

    @property
    def warning_kinds(self) -> tuple[WarningKind, ...]:
        """What each of the warnings is about."""
        kinds: list[WarningKind] = [finding.symptom for finding in self.findings]
        kinds += ["threshold_missed"] * len(self.decision.warnings)
        kinds += ["origin"] * len(self.notes)
        return tuple(kinds)

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
            calibration=self.decision.calibration,
            operating_point=self.decision.operating_point,
            warnings=self.warnings,
            warning_kinds=self.warning_kinds,
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
    weights: Floats | None = None,
    start: LogisticModel | None = None,
    choices: Choices = NO_CHOICES,
    trained: LogisticModel | None = None,
) -> FittedModel:
    """Train on one part of ``table`` and judge on the other; equal arguments give equal bytes.

    Without ``split``, a stratified fifth is held out by ``seed``. Scaler, profile and drift reference see the
    training rows alone, but for what is told of each by the record before it. A solver that stops early does so by
    a fifth of the training rows, never by those that judge the model.

    Parameters
    ----------
    ordered
        Whether the order of the rows counts, as that of time.
    before
        (n, d) the record just before each row of ``table`` in time, nan where it is not known. None: of ordered
        rows, the row before each in the table.
    blocks
        As in :func:`trainer.drift_reference.drift_reference`.
    weights
        (n,) how often each row counts for the solver, the calibration and the threshold; the model is judged with
        every row counting once.
    start
        A model of the same features to start from. It changes where a solver ends only if it does not arrive.
    choices
        Calibration and operating point, both found on the training rows, each scored by a model that was trained
        without it (:mod:`trainer.out_of_sample`). So the held-out rows judge what is deployed, as it is.
    trained
        The model that ``solver`` stands for, where it was trained elsewhere: it is taken to the bit.

    Raises
    ------
    DataError
        Training rows of one class or in which no feature varies, an empty holdout, or values that are not finite
        or too large to standardise; weights that are not one a row, negative, or 0 for all of a class; a threshold
        rule that no threshold meets.
    ReferenceDrifts
        Ordered training rows that change in their own course.
    """
    check_values(table)
    split = stratified_split(table.y, seed) if split is None else split
    x, y = table.x[split.train], table.y[split.train]
    holdout = Holdout(table.x[split.holdout], table.y[split.holdout])
    _check_parts(table, split, weights)
    profile = _profile(x, table, seed)
    whole = _problem(profile, x, y, holdout, split, weights)
    problem = stopping_problem(whole.x, y, seed, whole.weights) if solver.stops_early else whole
    theta = None if start is None else _theta(start, profile)
    solution = solver.solve(problem, seed, theta)
    weighed = _model(table, profile, solution) if trained is None else trained
    order = split.train if ordered else None
    predecessors = _predecessors(table, split.train, before) if ordered else None
    reference = drift_reference(weighed, profile, x, y, order, predecessors, seed, blocks)
    concept = fit_concept_reference(weighed.score(holdout.x).logit, holdout.y)
    rows = cross_fit(whole, solver, seed, solution, theta, by_time=ordered and split.by_time)
    decision = decide(weighed, rows, choices)
    model = decision.model
    train, judged = _Judged.of(model, x, y), _Judged.of(model, holdout.x, holdout.y)
    return FittedModel(
        file=ModelFile(model, profile, reference, concept, choices.calibrate, choices.threshold_rule),
        solution=solution,
        solver=solver,
        seed=seed,
        train=train.evaluation,
        validation=judged.evaluation,
        train_class1_rows=int(y.sum()),
        holdout=holdout,
        out_of_sample=rows,
        decision=decision,
        findings=_findings(table, solver, problem, solution, profile, train, judged, model, choices),
        data=fingerprint(table.schema, x, y, whole.weights, table.csv_sha256),
        holdout_rows=split.holdout,
        trained_prints=row_prints(x),
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    """Rows and what the deployed model says of them."""

    x: Floats  #: (n, d)
    y: Labels  #: (n,)
    probability: Floats  #: (n,)
    evaluation: Evaluation

    @classmethod
    def of(cls, model: LogisticModel, x: Floats, y: Labels) -> _Judged:
        p = probability(model, x)
        return cls(x, y, p, evaluate(y, p, model.threshold))


def _findings(
    table: Table,
    solver: Solver,
    problem: Problem,
    solution: Solution,
    profile: TrainingProfile,
    train: _Judged,
    judged: _Judged,
    model: LogisticModel,
    choices: Choices,
) -> tuple[Finding, ...]:
    return diagnose(
        Evidence(
            features=table.features,
            classes=table.classes,
            solver=solver,
            problem=problem,
            solution=solution,
            varies=profile.varies,
            x=train.x,
            y=train.y,
            probability=train.probability,
            holdout_x=judged.x,
            holdout_y=judged.y,
            holdout_probability=judged.probability,
            model=model,
            choices=choices,
        )
    )


def probability(model: LogisticModel, x: Floats) -> Floats:
    """(n,) probability of class 1 for raw rows ``x`` (n, d), calibrated where the model is.

    Without a calibration logits are clipped as in reported losses.
    """
    return calibrated(model.calibration, model.score(x).logit)


def _profile(x: Floats, table: Table, seed: int) -> TrainingProfile:
    profile = profile_rows(x, table.features, seed)
    if not profile.varies.any():
        raise DataError(
            "every feature has the same value in all training rows, so there is nothing to learn or to watch; "
            "give a table in which at least one feature varies"
        )
    return profile


def _problem(
    profile: TrainingProfile, x: Floats, y: Labels, holdout: Holdout, split: Split, weights: Floats | None
) -> Problem:
    """All training rows, with the held-out ones for the learning curve."""
    train, shown = (None, None) if weights is None else (weights[split.train], weights[split.holdout])
    if shown is not None and not shown.any():
        shown = None  # weights that are of the training rows alone
    return Problem(profile.standardise(x), y, profile.standardise(holdout.x), holdout.y, train, shown)


def _theta(model: LogisticModel, profile: TrainingProfile) -> Floats:
    """(d + 1,) the parameters of ``model`` on features standardised by ``profile``."""
    slopes = model.coefficients / model.scale
    shift = float(slopes @ (profile.mean - model.center))
    return np.append(slopes * profile.standard_deviation, model.intercept + shift)


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


def check_values(table: Table) -> None:
    """Raises DataError where a value is not finite, or too large to standardise."""
    with np.errstate(invalid="ignore"):
        usable = np.abs(table.x) <= MAX_MAGNITUDE
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        raise DataError(
            f"column {table.features[column]!r} holds {table.x[row, column]}; rescale it to finite values "
            f"below {MAX_MAGNITUDE:g}"
        )


def _check_parts(table: Table, split: Split, weights: Floats | None) -> None:
    if not len(split.holdout):
        raise DataError("no rows are held out; add labelled rows so that the model can be judged")
    y, counted = table.y[split.train], row_weights(len(table.y), weights)[split.train]
    for label, name in enumerate(table.classes):
        if not (y == label).any():
            raise DataError(f"no training row is of class {name!r}; add labelled rows of it")
        if not counted[y == label].any():
            raise DataError(f"all training rows of class {name!r} weigh 0; give some of them a weight")
