"""From rows that do not fit in memory to a model with its profile and figures, the same as :mod:`trainer.fit`."""

from __future__ import annotations

import msgspec
import numpy as np

from core.concept_reference import fit_concept_reference
from core.errors import DataError
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import TrainingProfile, profile_of
from core.schema import Schema
from trainer.block_figures import TrainingFigures, training_figures
from trainer.block_parts import BlockParts, BlockSource, TrainingBlocks
from trainer.block_reading import BlockReading, read_blocks
from trainer.decision import Choices, Decision, decide
from trainer.diagnostics.diagnosis import diagnose
from trainer.diagnostics.evidence import Evidence
from trainer.drift_reference import drift_reference
from trainer.evaluation import evaluate
from trainer.fit import NO_CHOICES, FittedModel, probability
from trainer.holdout import Holdout
from trainer.out_of_sample import OutOfSample
from trainer.solvers.balanced_classes import BalancedClasses
from trainer.solvers.base import Problem, Solution, Solver
from trainer.solvers.block_newton import BlockNewton
from trainer.solvers.blocks import BlockSolution
from trainer.training_rows import row_prints


def fit_blocks(
    source: BlockSource,
    *,
    seed: int,
    solver: BlockNewton | None = None,
    balanced: bool = False,
    ordered: bool = True,
    by_time: bool = False,
    choices: Choices = NO_CHOICES,
    drift_blocks: int | None = None,
) -> FittedModel:
    """Train on most rows of ``source``, calibrate and judge on others; equal arguments give equal bytes.

    The weights, the profile, the fingerprint and the figures of training are those of all training rows; the drift
    reference and what is diagnosed are those of a sample of at most 100,000. There are rows enough, so calibration
    and threshold are found on rows of their own in place of folds. It takes two passes more than
    :func:`trainer.solvers.blocks.solve_blocks`, one where the sample is all training rows, and the memory of
    :func:`trainer.block_reading.read_blocks`. The second is for the figures of training: all are exact but for AUC
    and average precision, which are those of a fine histogram (:mod:`trainer.summed_evaluation`).

    Parameters
    ----------
    balanced
        Whether both classes are to count alike in training.
    ordered
        Whether the order of the rows counts, as that of time.
    by_time
        Whether the newest rows judge, and those before them calibrate; else both are drawn by ``seed``.
    choices
        Calibration and operating point.
    drift_blocks
        Blocks of simulation, as ``blocks`` of :func:`trainer.drift_reference.drift_reference`.

    Raises
    ------
    DataError
        No rows, training rows of one class or in which no feature varies, no rows to judge by, values that are not
        finite or too large, rows with weights, or a threshold rule that no threshold meets.
    ReferenceDrifts
        Ordered training rows that change in their own course.
    """
    if not source.rows:
        raise DataError("there are no labelled rows; give some of both classes")
    recipe = solver or BlockNewton()
    parts = BlockParts.of(source.rows, seed, calibrates=choices.anything, by_time=by_time)
    found = recipe.solve_blocks(TrainingBlocks(source, parts), balanced=balanced)
    model = _model(source, found)
    read = read_blocks(source, parts, model.schema, found.moments)
    _check_judges(source, read, by_time=by_time)
    profile, sample = _profile(source, found, read, seed), read.sample
    order, before = (sample.numbers, sample.before) if ordered else (None, None)
    reference = drift_reference(model, profile, sample.x, sample.y, order, before, seed, drift_blocks)
    concept = fit_concept_reference(model.score(read.judging.x).logit, read.judging.y)
    rows = _out_of_sample(model, read, seed, by_time=ordered and by_time)
    decision = decide(model, rows, choices)
    file = ModelFile(decision.model, profile, reference, concept, choices.calibrate, choices.threshold_rule)
    blocks = TrainingBlocks(source, parts)
    figures = training_figures(blocks, found.moments.rows, read.sample, decision.model, read.digest)
    named = BalancedClasses(recipe) if balanced else recipe
    return _fitted(source, file, found, read, figures, named, seed, rows, decision, choices)


def _fitted(
    source: BlockSource,
    file: ModelFile,
    found: BlockSolution,
    read: BlockReading,
    figures: TrainingFigures,
    solver: Solver,
    seed: int,
    rows: OutOfSample | None,
    decision: Decision,
    choices: Choices,
) -> FittedModel:
    """The model with its figures and with what an expert would say of it."""
    model, sample, judging = file.model, read.sample, read.judging
    problem = Problem(
        found.moments.standardise(sample.x), sample.y, found.moments.standardise(judging.x), judging.y
    )
    solution = _solution(problem, found, figures)
    held_out = probability(model, judging.x)
    findings = diagnose(
        Evidence(
            features=source.features,
            classes=source.classes,
            solver=solver,
            problem=problem,
            solution=solution,
            varies=file.profile.varies,
            x=sample.x,
            y=sample.y,
            probability=probability(model, sample.x),
            holdout_x=judging.x,
            holdout_y=judging.y,
            holdout_probability=held_out,
            model=model,
            choices=choices,
        )
    )
    return FittedModel(
        file=file,
        solution=solution,
        solver=solver,
        seed=seed,
        train=figures.evaluation,
        validation=evaluate(judging.y, held_out, model.threshold),
        train_class1_rows=found.moments.class1_rows,
        holdout=Holdout(judging.x, judging.y),
        out_of_sample=rows,
        decision=decision,
        findings=findings,
        data=read.digest.fingerprint(csv_sha256=source.csv_sha256),
        holdout_rows=judging.numbers,
        trained_prints=row_prints(sample.x),
        sample=sample,
    )


def _check_judges(source: BlockSource, read: BlockReading, *, by_time: bool) -> None:
    y = read.judging.y
    if not len(y):
        raise DataError("no rows are held out; add labelled rows so that the model can be judged")
    if y.min() == y.max():
        advice = (
            "give rows in the order of time, or split stratified" if by_time else "add rows of the other class"
        )
        raise DataError(
            f"all {len(y)} rows held out are of class {source.classes[y[0]]!r}, which judge nothing; {advice}"
        )


def _model(source: BlockSource, found: BlockSolution) -> LogisticModel:
    deviation = found.moments.standard_deviation
    varies = deviation > 0
    if not varies.any():
        raise DataError(
            "every feature has the same value in all training rows, so there is nothing to learn or to watch; "
            "give rows in which at least one feature varies"
        )
    schema = Schema(source.features, source.classes)
    weights: Floats = np.where(varies, found.coefficients, 0.0)
    return LogisticModel(schema, weights, found.intercept, found.moments.mean, deviation)


def _profile(source: BlockSource, found: BlockSolution, read: BlockReading, seed: int) -> TrainingProfile:
    moments = found.moments
    return profile_of(source.features, moments.rows, moments.mean, moments.standard_deviation, read.products, seed)


def _out_of_sample(model: LogisticModel, read: BlockReading, seed: int, *, by_time: bool) -> OutOfSample | None:
    kept = read.calibrating
    if not len(kept.y) or kept.y.min() == kept.y.max():
        return None
    return OutOfSample.of(model.score(kept.x).logit, kept.y, seed, by_time=by_time)


def _solution(problem: Problem, found: BlockSolution, figures: TrainingFigures) -> Solution:
    """The last step alone stands in the history: its figures are of all training rows."""
    of_the_sample = problem.epoch(found.steps, found.theta, found.objective)
    epoch = msgspec.structs.replace(
        of_the_sample, train_loss=figures.raw_loss, train_accuracy=figures.raw_accuracy
    )
    return Solution(
        coefficients=found.coefficients,
        intercept=found.intercept,
        converged=found.converged,
        gradient_norm=found.gradient_norm,
        history=(epoch,),
        end=found.end,
        best_step=found.steps,
        separation=found.separation,
    )
