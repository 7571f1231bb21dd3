"""Models, and streams of records made from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import numpy as np

from core.connection import Connection
from core.drift.reference import fit_reference
from core.drift.reference_rows import ReferenceRows
from core.entry import Entry, parse_entry_id
from core.keys import PipelineKeys
from core.merged_reader import LABELS, PlacedEntry
from core.model import LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.record_encoder import encode_block, encode_plain
from core.schema import Schema
from tests.drift_references import quick_concept

#: Ids are given, and lie in the past: the time limit has always passed when the records end.
START_MS = 1_700_000_000_000


def dice_of(seed: int) -> random.Random:
    """Repeatable chance."""
    return random.Random(seed)  # noqa: S311  (no secret)


def make_model(features: tuple[str, ...], seed: int) -> ModelFile:
    """A model of standard normal features; one that is called ``constant`` is always 4."""
    x = np.random.default_rng(seed).normal(size=(300, len(features)))
    x[:, [name == "constant" for name in features]] = 4.0
    schema = Schema(features, ("no", "yes"))
    width = len(features)
    model = LogisticModel(schema, np.linspace(-1.0, 1.0, width), 0.25, np.zeros(width), np.ones(width))
    profile = profile_rows(x, features, seed)
    rows = ReferenceRows(x, model.score(x).probability, np.flatnonzero(profile.varies))
    return ModelFile(model, profile, fit_reference(rows, seed), quick_concept(model, x))


@dataclass(frozen=True)
class Promoted:
    """One change of production."""

    ms: int
    run_id: str
    file: ModelFile


@dataclass(frozen=True)
class Scenario:
    """Records of each partition, promotions and labels, all with their ids."""

    records: list[list[Entry]]
    promotions: list[Promoted]
    total: int  #: records; an entry that is unusable as a whole is one
    labels: list[Entry] = field(default_factory=list)

    def store(self, connection: Connection, keys: PipelineKeys) -> None:
        """Write it to a pipeline, under the same ids in every pipeline."""
        commands: list[tuple[str | bytes | int, ...]] = [
            ("XADD", keys.partition(number).records, entry.id, *entry.fields)
            for number, entries in enumerate(self.records)
            for entry in entries
        ]
        commands += [("XADD", keys.labels, entry.id, *entry.fields) for entry in self.labels]
        commands += [("HSET", keys.config, "partitions", len(self.records))]
        for epoch, promoted in enumerate(self.promotions, start=1):
            file, run_id = promoted.file, promoted.run_id
            commands += [
                ("HSET", keys.models, run_id, file.encoded, f"{run_id}:sha256", file.sha256),
                ("XADD", keys.promotions, f"{promoted.ms}-0", "run_id", run_id, "epoch", epoch),
                (
                    "HSET",
                    keys.production,
                    "run_id",
                    run_id,
                    "previous",
                    "",
                    "epoch",
                    epoch,
                    "updated_ts_ms",
                    promoted.ms,
                ),
            ]  # fmt: skip  (one command a line)
        for answer in connection.pipeline(commands):
            if isinstance(answer, Exception):
                raise answer

    def merged(self) -> list[PlacedEntry]:
        """All entries in merged order."""
        placed = [
            PlacedEntry(number, parse_entry_id(entry.id), Entry(entry.id, list(entry.fields)))
            for number, entries in [*enumerate(self.records), (LABELS, self.labels)]
            for entry in entries
        ]
        return sorted(placed, key=lambda item: (item.id, item.partition))


def changing(file: ModelFile, seed: int) -> Scenario:
    """Blocks of records that drift twice, each time long enough to be noticed, with longer peace in between."""
    numbers = np.random.default_rng(seed)
    entries: list[Entry] = []
    for phase, (blocks, shift) in enumerate(((11, 0.0), (7, 1.5), (30, 0.0), (7, -1.5))):
        for block in range(blocks):
            x = numbers.normal(shift, 1.0, (30, file.model.schema.width))
            x[:, [name == "constant" for name in file.model.schema.features]] = 4.0
            entry_id = b"%d-0" % (START_MS + 3_000 * phase + 20 * block)
            entries.append(Entry(entry_id, encode_block(x, file.model.schema)))
    return Scenario([entries], [Promoted(START_MS - 1, "run0", file)], 30 * len(entries))


@dataclass
class _Clock:
    """Draws ids that rise: bursts within a millisecond, pauses, now and then one beyond the time limit."""

    dice: random.Random
    ms: int = START_MS
    seq: int = 0

    def next(self) -> bytes:
        step = self.dice.choice((0, 0, 0, 1, 7, 40)) if self.dice.random() < 0.99 else 2_500
        self.seq = self.seq + 1 if step == 0 else 0
        self.ms += step
        return b"%d-%d" % (self.ms, self.seq)


@dataclass
class ScenarioMaker:
    """Makes records from a seed."""

    files: list[ModelFile]
    dice: random.Random
    numbers: np.random.Generator
    total: int = 0
    clock: _Clock = field(init=False)

    def make(self, entries: int, partitions: int) -> Scenario:
        self.clock = _Clock(self.dice)
        records: list[list[Entry]] = [[] for _ in range(partitions)]
        promotions: list[Promoted] = []
        file, shift = self.files[0], 0.0
        for index in range(entries):
            if self.dice.random() < 0.02:
                shift = self.dice.choice((0.0, 0.0, 1.5, -2.0))
            if not index or self.dice.random() < 0.01:
                file = self.files[len(promotions) % len(self.files)] if index else file
                promotions.append(
                    Promoted(self.clock.ms + (7 if promotions else 40), f"run{len(promotions)}", file)
                )
            entry = Entry(self.clock.next(), self._fields(file, shift))
            for partition in self._partitions_of(partitions):
                records[partition].append(entry)
        return Scenario(records, self._apart(promotions), self.total)

    def _partitions_of(self, partitions: int) -> list[int]:
        """One partition as a rule; the same id in all of them now and then, with the same records."""
        before = self._last
        if partitions > 1 and self.dice.random() < 0.2:
            self.total += before * (partitions - 1)
            return list(range(partitions))
        return [self.dice.randrange(partitions)]

    def _apart(self, promotions: list[Promoted]) -> list[Promoted]:
        kept: list[Promoted] = []
        for promoted in promotions:
            ms = max(promoted.ms, kept[-1].ms + 1) if kept else promoted.ms
            kept.append(replace(promoted, ms=ms))
        return kept

    def _fields(self, file: ModelFile, shift: float) -> list[bytes]:
        kind = self.dice.choice(("plain", "plain", "block", "block", "garbage"))
        count = self.dice.choice((1, 2, 5, 30)) if kind == "block" else 1
        self._last = count
        fields = self._garbage() if kind == "garbage" else self._usable(file, shift, kind, count)
        self.total += self._last
        return fields

    def _garbage(self) -> list[bytes]:
        return self.dice.choice(
            [
                [b"noise", b"1"],
                [b"_n", b"3"],
                [b"a", b"1", b"a", b"2"],
                [b"a", b"x", b"b", b"1", b"constant", b"4"],
            ]
        )

    def _usable(self, file: ModelFile, shift: float, kind: str, count: int) -> list[bytes]:
        schema = file.model.schema
        x = self.numbers.normal(shift, 1.0, (count, schema.width))
        x[:, [name == "constant" for name in schema.features]] = 4.0
        if self.dice.random() < 0.02:
            x[0, 0] = self.dice.choice((1e308, 1e300, -1e200))
        x = x.astype("<f8")
        ids = [b"id\xff%d-%d" % (self.total, row) for row in range(count)] if self.dice.random() < 0.5 else None
        if kind == "plain":
            values = dict(zip(schema.features, x[0].tolist(), strict=True))
            return encode_plain(values, None if ids is None else ids[0], label=self.dice.choice((None, 0, 1)))
        if self.dice.random() < 0.3:
            x[self.dice.choice((0, count // 2, slice(None)))] = np.nan
        labels = self.numbers.choice([0.0, 1.0, np.nan], count) if self.dice.random() < 0.5 else None
        return encode_block(x, schema, ids, labels=labels)
