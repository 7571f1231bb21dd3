"""What ``streamgauge validate`` finds: a way to train, judged in folds of a CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from core.errors import SettingsError
from core.settings import Settings
from trainer.cross_validation import CrossValidation, FoldFigures, Training, cross_validate
from trainer.decision import choices_of
from trainer.leakage import copies_in_folds
from trainer.penalty import Recipe
from trainer.solvers.choice import chosen_solver
from trainer.split import SplitKind, stratified_splits, time_ordered_splits
from trainer.table import Table, read_table

#: Figures of each fold that are summed up, by their names in ``Evaluation``.
FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "log_loss", "brier")


class Spread(msgspec.Struct, frozen=True):
    """A figure over the folds; folds train on rows in common, so the deviation is no standard error."""

    mean: float
    standard_deviation: float  #: 0 of one fold
    least: float
    most: float


class ValidationReport(msgspec.Struct, frozen=True):
    """How a way to train does on rows that its models did not see."""

    rows: int
    judged_rows: int  #: in each repetition; fewer than all in time, where the first rows only train
    folds: int
    repeats: int
    order: SplitKind
    class_note: str
    figures: dict[str, Spread]  #: those that every fold defines
    expected_calibration_error: float  #: of all judged rows together, ten bins, mean over the repetitions
    calibration_error_floor: float  #: what a perfect model has of it by chance
    inverse_l2: dict[str, int]  #: C and how many folds took it
    calibration: dict[str, int]  #: the same of the kinds of calibration
    warnings: tuple[str, ...]


def validate_table(
    csv: Path,
    label: str,
    positive: str | None,
    settings: Settings,
    *,
    folds: int,
    repeats: int = 1,
    order: SplitKind = "stratified",
    gap: int = 0,
    choose_penalty: bool = False,
    on_fold: Callable[[], None] | None = None,
) -> ValidationReport:
    """Cross-validate what ``fit`` would do with these settings; nothing is logged.

    Parameters
    ----------
    repeats
        How often the folds are drawn anew, from ``settings.seed`` on.
    gap
        Of folds in time: rows before each that do not train either.
    choose_penalty
        Choose ``inverse_l2`` inside each fold, by log-loss in folds of its training rows.
    on_fold
        Is called when a fold is done.

    Raises
    ------
    DataError
        A file that cannot be used, or too few rows for the folds.
    SettingsError
        Fewer than one repetition, several of folds in time, a negative gap, or a gap without time.
    """
    _check(repeats, order, gap)
    table = read_table(csv, label, positive)
    way = Training(
        recipe=_recipe(settings),
        inverse_l2=None if choose_penalty else settings.inverse_l2,
        choices=choices_of(settings, None),
    )
    found = []
    for seed in range(settings.seed, settings.seed + repeats):
        if order == "time":
            splits = time_ordered_splits(len(table.y), folds, gap)
        else:
            splits = stratified_splits(table.y, seed, folds)
        found.append(cross_validate(table, splits, seed, way, on_fold))
    return _report(table, found, folds, order)


def _report(table: Table, found: Sequence[CrossValidation], folds: int, order: SplitKind) -> ValidationReport:
    every = [fold for validation in found for fold in validation.folds]
    known = {name: [getattr(fold.judged, name) for fold in every] for name in FIGURES}
    return ValidationReport(
        rows=len(table.y),
        judged_rows=len(found[0].rows),
        folds=folds,
        repeats=len(found),
        order=order,
        class_note=table.class_note,
        figures={name: _spread(values) for name, values in known.items() if None not in values},
        expected_calibration_error=float(np.mean([each.expected_calibration_error for each in found])),
        calibration_error_floor=float(np.mean([each.calibration_error_floor for each in found])),
        inverse_l2=_counted("inf" if fold.inverse_l2 is None else f"{fold.inverse_l2:.4g}" for fold in every),
        calibration=_counted(fold.calibration for fold in every),
        warnings=_warnings(table, every, known),
    )


def _warnings(
    table: Table, folds: Sequence[FoldFigures], figures: Mapping[str, Sequence[float | None]]
) -> tuple[str, ...]:
    """What to know before trusting the figures, one sentence each."""
    copies = copies_in_folds(table)
    said = [] if copies is None else [f"{copies}."]
    on_the_way = sum(not fold.arrived for fold in folds)
    if on_the_way:
        said.append(
            f"the solver did not arrive at the optimum in {on_the_way} of {len(folds)} folds, so that the figures "
            "are those of models half trained; choose solver newton, or a stronger penalty (a lower inverse_l2)."
        )
    undefined = [
        f"{name.replace('_', ' ')} in {values.count(None)} of {len(values)} folds"
        for name, values in figures.items()
        if None in values
    ]
    if undefined:
        said.append(
            f"left out is what some folds do not define, because they hold or predict one class alone: "
            f"{', '.join(undefined)}; ask for fewer folds."
        )
    return tuple(said)


def _recipe(settings: Settings) -> Recipe:
    """The solver of the settings, for any strength."""
    return lambda c: chosen_solver(msgspec.structs.replace(settings, inverse_l2=c))


def _check(repeats: int, order: SplitKind, gap: int) -> None:
    if repeats < 1:
        raise SettingsError(f"--repeats is {repeats}; choose 1 or more")
    if order == "time" and repeats > 1:
        raise SettingsError(f"--repeats is {repeats}, and folds in time are always the same; leave it out")
    if gap < 0:
        raise SettingsError(f"--gap is {gap}; choose 0 or more")
    if gap and order != "time":
        raise SettingsError(f"--gap is {gap}, which needs folds in time; say --split time too")


def _spread(values: Sequence[float]) -> Spread:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Spread(float(np.mean(values)), deviation, float(np.min(values)), float(np.max(values)))


def _counted(names: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first."""
    return dict(Counter(names).most_common())
