"""Entries made by hand, fed to a window engine as reads of any size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.entry import Entry, EntryId
from core.fields import encode_fields
from core.merged_reader import PlacedEntry
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.sample_block import SampleBlock
from core.settings import Settings
from monitor.model_timeline import JudgingModel
from monitor.state import MonitorState, encode_state
from monitor.window_engine import ClosedWindow, WindowEngine
from tests.monitor.driver import FOREVER_MS
from tests.monitor.scenario import START_MS, make_model

FILE = make_model(("a", "b", "constant"), 1)
OTHER = make_model(("b", "c"), 3)
SETTINGS = Settings(window_records=10, window_limit_s=1.0, window_min_records=5, retrain_cooldown_s=0.0)
#: Records drawn as the training rows were stand for peace, those of this mean for a drift that is noticed at once.
DRIFT = 4.0


@dataclass
class FixedTimeline:
    """Promotions by their time."""

    models: list[tuple[int, JudgingModel]]

    def at(self, time_ms: int) -> JudgingModel:
        index = bisect_left([ms for ms, _ in self.models], time_ms) - 1
        return self.models[max(0, index)][1]


@dataclass
class KeptSamples:
    """Blocks of closed windows, as the samples stream keeps them, and what was asked for."""

    blocks: list[SampleBlock] = field(default_factory=list)
    asked: list[tuple[int, int]] = field(default_factory=list)

    def newest(self, window: int, behind: int) -> Iterator[SampleBlock]:
        self.asked.append((window, behind))
        yield from (one for one in reversed(self.blocks) if behind < one.window <= window)


def samples_of(closed: Sequence[ClosedWindow]) -> KeptSamples:
    return KeptSamples([one.samples for one in closed if one.samples is not None])


ONE_MODEL = FixedTimeline([(0, JudgingModel("run0", FILE))])


def block(ms: int, rows: int, seq: int = 0, mean: float = 0.0, file: ModelFile = FILE) -> PlacedEntry:
    x = np.random.default_rng(ms).normal(mean, 1.0, (rows, file.model.schema.width))
    x[:, [name == "constant" for name in file.model.schema.features]] = 4.0
    entry_id = EntryId(START_MS + ms, seq)
    return PlacedEntry(0, entry_id, Entry(str(entry_id).encode(), encode_block(x, file.model.schema)))


def garbage(ms: int) -> PlacedEntry:
    entry_id = EntryId(START_MS + ms, 0)
    return PlacedEntry(0, entry_id, Entry(str(entry_id).encode(), [b"noise", b"1"]))


def windows(
    placed: Sequence[PlacedEntry],
    own: Settings = SETTINGS,
    timeline: FixedTimeline = ONE_MODEL,
    cuts: Sequence[int] = (),
    state: MonitorState | None = None,
    samples: KeptSamples | None = None,
) -> list[ClosedWindow]:
    """All windows of some entries, fed in reads of the given sizes, the last one closed by its time."""
    engine = WindowEngine(own, state or MonitorState(), timeline, samples)
    closed: list[ClosedWindow] = []
    start = 0
    for step in [*cuts, len(placed)]:
        closed += engine.feed(list(placed[start : start + step]))
        start += step
    return closed + list(engine.expire(FOREVER_MS))


def written(closed: Sequence[ClosedWindow]) -> list[tuple[list[bytes], list[list[bytes]], bytes]]:
    return [
        (
            encode_fields(window.drift),
            list(window.samples.encode()) if window.samples else [],
            encode_state(window.state),
        )
        for window in closed
    ]  # fmt: skip  (one window a line)
