"""A change of the labels alone: features identically distributed, the model wrong more often.

The model is trained on four fifths of a reference; the other fifth is what the label detector is calibrated on.
From the change on a share of the labels is the other class. Delay and budget are in labelled records.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.drift.engine_access import LabelWatcher, load_label_engine
from bench.drift.populations import RowPopulation, draw_reference
from bench.drift.run import BUDGET, DriftRun
from bench.drift.run_length import CAP_RECORDS, CHUNK_RECORDS, WARM_UP_RECORDS, Delays, join_delays
from bench.drift.seeds import Purpose, generator_for
from bench.drift.short_table import ShortTable
from bench.drift.tables import delay_unit, shown, yes_or_no
from bench.drift.workers import spread
from bench.report import figure
from core.model import Floats, LogisticModel
from trainer.fit import fit
from trainer.split import stratified_split
from trainer.table import Table

#: Rows that the data set has; a model is trained on four fifths of them and validated on the rest.
_ROWS = 900
#: Share of labels that turn into the other class.
_FLIPPED_SHARES = (0.1, 0.2)
#: Share of runs in which the change may stay unfound within the cap, in percent.
_UNFOUND_PERCENT = 1.0


@dataclass(frozen=True, eq=False)
class LabelTask:
    """One reference: a model, and the label detector calibrated on what the model was not trained on."""

    population: RowPopulation
    seed: int
    number: int


@dataclass(frozen=True, eq=False)
class LabelFound:
    """Of one reference."""

    alarms: int
    records: int
    delays: dict[float, Delays]  #: by the share of labels that turned


def measure(run: DriftRun) -> None:
    """Fill the report; a line without a figure where the adapter has no label detector."""
    name = f"labels alone, Raisin, budget {BUDGET:,} labelled records"
    if load_label_engine() is None:
        run.report.add(f"{name}: not measured", None, "", ("bench/drift/engine.py: no build_label_watcher", None))
        return
    work = run.work
    tasks = [LabelTask(run.raisin, run.seed, number) for number in range(work.gaussian_references)]
    one = partial(_found, runs=work.gaussian_runs, max_records=work.budgets * BUDGET)
    parts = spread(one, tasks, run.processes, lambda what: run.say(f"{name}: {what}"))
    records, alarms = sum(part.records for part in parts), sum(part.alarms for part in parts)
    run.report.add(
        f"{name}: ARL0, {len(parts)} references",
        records / max(1, alarms),
        "labelled records",
        ("the budget", float(BUDGET)),
        at_least=1.0,
    )
    length = records / max(1, alarms)
    rows = [("no change: labelled records an alarm", figure(length), "", yes_or_no(length >= BUDGET))]
    for share in _FLIPPED_SHARES:
        found = join_delays([part.delays[share] for part in parts])
        what = f"{name}: {100 * share:.0f} % of labels turned"
        run.report.add(f"{what}: delay", found.mean if len(found.records) else None, delay_unit(found))
        run.report.add(
            f"{what}: not found in {CAP_RECORDS:,}",
            100.0 * found.undetected_share,
            f"% of {len(found.records)} runs",
            at_most=_UNFOUND_PERCENT,
        )
        missed = 100.0 * found.undetected_share
        said = f"{100 * share:.0f} % of labels turned: labelled records to the alarm"
        rows.append((said, shown(found), f"{figure(missed)} %", yes_or_no(missed <= _UNFOUND_PERCENT)))
    columns = ("labels alone", "figure", f"not found in {CAP_RECORDS:,}", "met")
    note = f"Raisin, references: {len(parts)}, a budget of one false alarm in {BUDGET:,} labelled records."
    run.report.add_table(ShortTable("labels", columns, tuple(rows), note))


def _found(task: LabelTask, runs: int, max_records: int) -> LabelFound:
    build = load_label_engine()
    if build is None:
        raise AssertionError("measure asks first")
    model, x, y = _model(task)
    watcher = build(model.score(x).probability, y, BUDGET, seed=task.number)
    generator = generator_for(task.seed, Purpose.LABEL, task.number)
    alarms, seen = 0, 0
    watcher.restart()
    while seen < max_records:
        probability, labels = _draw(task.population, model, generator, CHUNK_RECORDS, 0.0)
        alarms += _alarms(watcher, probability, labels)
        seen += len(labels)
    delays = {share: _delays(task, model, watcher, share, runs) for share in _FLIPPED_SHARES}
    return LabelFound(alarms, seen, delays)


def _alarms(watcher: LabelWatcher, probability: Floats, labels: NDArray[np.uint8]) -> int:
    """Alarms over these rows; the detector starts afresh after each."""
    alarms = start = 0
    while start < len(labels):
        index = watcher.feed(probability[start:], labels[start:])
        if index is None:
            break
        alarms, start = alarms + 1, start + index + 1
        watcher.restart()
    return alarms


def _delays(task: LabelTask, model: LogisticModel, watcher: LabelWatcher, share: float, runs: int) -> Delays:
    found, detected, false_alarms = [], [], 0
    for number in range(runs):
        generator = generator_for(task.seed, Purpose.LABEL, task.number, number)
        warm_up = int(generator.integers(WARM_UP_RECORDS[0], WARM_UP_RECORDS[1] + 1))
        watcher.restart()
        if watcher.feed(*_draw(task.population, model, generator, warm_up, 0.0)) is not None:
            false_alarms += 1
            continue
        index = watcher.feed(*_draw(task.population, model, generator, CAP_RECORDS, share))
        found.append(CAP_RECORDS if index is None else index + 1)
        detected.append(index is not None)
    return Delays(np.array(found, dtype=np.int64), np.array(detected, dtype=np.bool_), false_alarms)


def _draw(
    population: RowPopulation, model: LogisticModel, generator: np.random.Generator, count: int, share: float
) -> tuple[Floats, NDArray[np.uint8]]:
    """(count,) probabilities and labels, such a share of the labels turned."""
    x, classes = population.source(generator).take_labelled(count)
    turned = generator.random(count) < share
    return model.score(x).probability, (classes ^ turned).astype(np.uint8)


def _model(task: LabelTask) -> tuple[LogisticModel, Floats, NDArray[np.uint8]]:
    """A model, and the rows and labels that it was not trained on."""
    reference = draw_reference(task.population, generator_for(task.seed, Purpose.REFERENCE, task.number), _ROWS)
    if reference.classes is None:
        raise AssertionError("Raisin has classes")
    table = Table(reference.features, reference.rows, reference.classes.astype(np.uint8))
    split = stratified_split(table.y, task.number)
    model = fit(table, seed=task.number, split=split).file.model
    return model, table.x[split.holdout], table.y[split.holdout]
