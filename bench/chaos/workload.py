"""What is pushed: batches of records with ids, the same ones for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.concept_reference import fit_concept_reference
from core.drift.reference import fit_reference
from core.drift.reference_rows import ReferenceRows
from core.model import Floats, LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.schema import Schema

SCHEMA = Schema(("height", "width", "depth", "weight"), ("good", "faulty"))
#: Sizes of consecutive batches with ids, blocks and plain records in turn, then of bare ones, first blocks, then
#: plain records: entries of one form that follow one another are what scorers answer all at once.
WITH_IDS = (512, 70, 512, 70, 512, 70, 64, 70)
BARE_BLOCKS, BARE_PLAIN = (512, 512, 512, 512), (70, 70, 70, 70)
SIZES = (*WITH_IDS, *BARE_BLOCKS, *BARE_PLAIN)
#: A bare record is known by the fraction of its last feature: its number, one added, in steps of this.
NUMBER_STEP = 2.0**-25
#: Drift comes and goes so often in a run.
PHASES = 8
#: How far a drifted feature moves, in standard deviations.
SHIFT = 1.2

_CENTER = np.array([180.0, 42.0, 7.5, 1200.0])
_SCALE = np.array([12.0, 3.0, 0.4, 150.0])
_WEIGHTS = np.array([1.4, -0.8, 0.5, 0.9])
_BIAS = 0.1
#: Run id of the model that is in production when a run begins.
FIRST_RUN = "0" * 12


@dataclass(frozen=True, eq=False)
class Batch:
    """Records that are pushed together and acknowledged together."""

    number: int
    block: bool
    bare: bool  #: neither ids nor labels travel with the records
    x: Floats  #: (n, d)
    ids: list[bytes]
    labels: Floats  #: (n,) 0, 1 or nan
    texts: dict[int, str] = field(default_factory=dict)  #: what a row sends in place of its first number


@dataclass(frozen=True)
class Workload:
    """All batches of one run.

    Parameters
    ----------
    seed
        Decides every value.
    records
        How many there are in all batches.
    """

    seed: int
    records: int

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self.starts) - 1

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(batches + 1,) number of each batch's first record, and the end."""
        rounds = self.records // sum(SIZES) + 1
        ends = np.minimum(np.cumsum(np.tile(SIZES, rounds)), self.records)
        return np.concatenate([[0], np.unique(ends)])

    def batch(self, number: int) -> Batch:
        """One batch, whichever were made before."""
        starts = self.starts
        count = int(starts[number + 1] - starts[number])
        generator = np.random.default_rng([self.seed, number])
        shift = SHIFT * (number * PHASES // self.batches % 2)
        z = generator.normal(shift, 1.0, (count, SCHEMA.width))
        # a drifted machine also changes what is faulty, so that another model is better
        logit = z @ (_WEIGHTS if not shift else _WEIGHTS[::-1]) + generator.logistic(0.0, 0.5, count)
        labels = np.where(generator.random(count) < 0.5, (logit > 0).astype(np.float64), np.nan)
        x = (_CENTER + _SCALE * z).round(4)
        ids = [self.record_id(number, row) for row in range(count)]
        place = number % len(SIZES)
        bare = place >= len(WITH_IDS)
        block = place < len(WITH_IDS) + len(BARE_BLOCKS) if bare else place % 2 == 0
        if bare:
            x[:, -1] = x[:, -1].round() + NUMBER_STEP * (1 + starts[number] + np.arange(count))
        texts: dict[int, str] = {}
        if block and generator.random() < 0.25:
            x[generator.integers(count), generator.integers(SCHEMA.width - 1)] = generator.choice([np.nan, np.inf])
        elif not block and generator.random() < 0.25:
            texts[int(generator.integers(count))] = str(generator.choice(["abc", "nan", "1_000", "1e999"]))
        return Batch(number, block, bare, x, ids, labels, texts)

    def record_id(self, number: int, row: int) -> bytes:
        """The id of a record."""
        return b"c%d-%d-%d" % (self.seed, number, row)

    def index_of(self, record_id: bytes) -> int | None:
        """A record's number in the run; None for an id that is not of this workload's form."""
        parts = record_id.split(b"-")
        if len(parts) != 3 or parts[0] != b"c%d" % self.seed or not (parts[1].isdigit() and parts[2].isdigit()):
            return None
        number, row = int(parts[1]), int(parts[2])
        starts = self.starts
        if number >= self.batches or row >= starts[number + 1] - starts[number]:
            return None
        return int(starts[number]) + row

    def id_at(self, index: int) -> bytes:
        """The id of the record with a number."""
        number, row = self.place_of(index)
        return self.record_id(number, row)

    def place_of(self, index: int) -> tuple[int, int]:
        """Batch and row of the record with a number."""
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        return number, index - int(self.starts[number])

    def unusable(self) -> NDArray[np.bool_]:
        """(records,) those that have to be rejected."""
        marks = np.zeros(self.records, dtype=np.bool_)
        for number in range(self.batches):
            batch, start = self.batch(number), int(self.starts[number])
            marks[start : start + len(batch.x)] = ~np.isfinite(batch.x).all(axis=1)
            marks[[start + row for row in batch.texts]] = True
        return marks


def bare_index(row: Floats) -> int | None:
    """What a bare record (d,) says its number is; None where it says none."""
    value = float(row[-1])
    number = (value - math.floor(value)) / NUMBER_STEP if math.isfinite(value) else 0.0
    return int(number) - 1 if number >= 1.0 and number.is_integer() else None


def first_logits(x: Floats) -> Floats:
    """(n,) what the first model makes of rows (n, d), written out here."""
    logits: Floats = _BIAS + ((x - _CENTER) / _SCALE * _WEIGHTS).sum(axis=1)
    return logits


def first_model(seed: int) -> ModelFile:
    """The model that is in production when a run begins."""
    model = LogisticModel(SCHEMA, _WEIGHTS, _BIAS, _CENTER, _SCALE)
    rows = np.random.default_rng([seed, 1]).normal(_CENTER, _SCALE, (2_000, SCHEMA.width))
    profile = profile_rows(rows, SCHEMA.features, seed)
    watched = ReferenceRows(rows, model.score(rows).probability, np.flatnonzero(profile.varies))
    scores = model.score(rows)
    outcomes = np.random.default_rng(seed).random(len(rows)) < scores.probability
    concept = fit_concept_reference(scores.logit, outcomes)
    return ModelFile(model, profile, fit_reference(watched, seed), concept)
