"""Labels for the records of a scenario: early, late, told twice, of unknown ids, and of no use at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.entry import Entry
from core.label_entry import block_fields
from core.merged_reader import PlacedEntry
from core.model_file import ModelFile
from core.record_decoder import RecordDecoder
from monitor.record_run import RecordRun
from tests.monitor.scenario import Scenario, dice_of

#: (share of the stream that is over, probability of class 1 by the model) -> probability of class 1.
World = Callable[[float, float], float]

_GARBAGE: tuple[list[bytes], ...] = (
    [b"id", b"p"],
    [b"_ids", b"a\nb", b"_y", bytes(8)],
    [b"id", b"p", b"y", b"maybe"],
    [b"id", b"a", b"id", b"b", b"y", b"1"],
)


def as_the_model_says(_: float, probability: float) -> float:
    """No change."""
    return probability


def reversed_in_the_middle(over: float, probability: float) -> float:
    """For a third of the stream, what was likely is unlikely."""
    return 1.0 - probability if 1 / 3 < over < 2 / 3 else probability


def known_rows(item: PlacedEntry, files: Sequence[ModelFile]) -> list[tuple[bytes, float]]:
    """Ids of an entry's rows that one of the models can use, and its probabilities of class 1."""
    found: list[tuple[bytes, float]] = []
    by_schema = {file.model.schema: file for file in reversed(files)}
    for file in by_schema.values():
        run = RecordRun([item], file, RecordDecoder(file.model.schema, 2**20), {})
        found += [(run.record_id(row), float(p)) for row, p in enumerate(run.probability)]
    return found


def with_labels(
    scenario: Scenario, files: Sequence[ModelFile], seed: int, world: World = reversed_in_the_middle
) -> Scenario:
    """The scenario with labels of most rows; entries share ids with records now and then."""
    dice = dice_of(seed)
    said: list[tuple[int, bytes, float]] = []
    merged = scenario.merged()
    for number, item in enumerate(merged):
        for record_id, probability in known_rows(item, files):
            y = float(dice.random() < world(number / len(merged), probability))
            times = dice.choice((0, 1, 1, 1, 1, 2))
            said += [
                (item.id.ms + dice.choice((-40, 0, 0, 3, 50, 400, 2_600)), record_id, y) for _ in range(times)
            ]
        if dice.random() < 0.1:
            said.append((item.id.ms, b"unknown-%d" % number, 1.0))
    return replace(scenario, labels=_entries(sorted(said, key=lambda one: one[0]), dice))


def _entries(said: list[tuple[int, bytes, float]], dice: random.Random) -> list[Entry]:
    """Plain labels and blocks of them, under ids that rise; their time is that of the last label in them."""
    entries: list[Entry] = []
    ms = seq = start = 0
    while start < len(said):
        stop = start + dice.choice((1, 1, 1, 4, 30))
        part = said[start:stop]
        seq = seq + 1 if part[-1][0] <= ms else 0
        ms = max(ms, part[-1][0])
        labels = [(record_id, y) for _, record_id, y in part]
        if len(labels) == 1 and dice.random() < 0.7:
            fields = [b"id", labels[0][0], b"y", b"%d" % labels[0][1]]
        else:
            fields = block_fields(labels)
        if dice.random() < 0.02:
            entries.append(Entry(b"%d-%d" % (ms, seq), dice.choice(_GARBAGE)))
            seq += 1
        entries.append(Entry(b"%d-%d" % (ms, seq), fields))
        start = stop
    return entries
