"""A monitor that can be stopped between any two of its steps."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator

import msgspec

from core.connection import Connection
from core.keys import PipelineKeys
from core.merged_reader import LABELS, MergedReader
from core.settings import Settings
from monitor.label_index import LabelIndex
from monitor.marker import create_marker, first_position, move_marker
from monitor.model_timeline import ModelTimeline
from monitor.publication import write_window
from monitor.sample_history import SampleHistory
from monitor.state import MonitorState, decode_state
from monitor.window_engine import ClosedWindow, WindowEngine

#: Later than every time limit.
FOREVER_MS = 2**66


class Driver:
    """A monitor whose life is a generator: dropping it at any of its points is a kill there."""

    def __init__(
        self, connection: Connection, keys: PipelineKeys, settings: Settings, dice: random.Random | None = None
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._settings = settings
        self._dice = dice
        self._partitions = keys.partitions(int(connection.call("HGET", keys.config, "partitions") or 1))
        self._streams = {partition.number: partition.records for partition in self._partitions}
        self._streams[LABELS] = keys.labels
        self.lost_races = 0

    def live(self) -> Iterator[str]:
        """Run to the end of records and labels, pausing wherever a process can die."""
        index = LabelIndex()
        while True:
            timeline = ModelTimeline(self._connection, self._keys)
            timeline.refresh()
            read_bytes = self._dice.choice((1, 300, 3_000, 2**21)) if self._dice else 2**21
            reader = MergedReader(self._connection, self._partitions, read_bytes, labels=self._keys.labels)
            samples = SampleHistory(self._connection, self._keys, read_bytes)
            engine = WindowEngine(self._settings, self._load(reader), timeline, samples, index)
            yield "loaded"
            read = reader.read(1)
            timeline.refresh()
            while read.entries:
                if not (yield from self._write(engine.feed(read.entries))):
                    break
                read = reader.read(1)
                yield "read"
            else:
                if (yield from self._write(engine.expire(FOREVER_MS))):
                    return
            self.lost_races += 1

    def _load(self, reader: MergedReader) -> MonitorState:
        state = decode_state(self._connection.call("HGET", self._keys.monitor, "state"))
        positions = dict(state.positions)
        for number, stream in self._streams.items():
            create_marker(self._connection, stream)
            positions.setdefault(number, first_position(self._connection, stream))
            reader.seek(number, positions[number].done)
        return msgspec.structs.replace(state, positions=positions)

    def _write(self, windows: Iterator[ClosedWindow]) -> Generator[str, None, bool]:
        for closed in windows:
            yield "before the script"
            if not write_window(self._connection, self._keys, closed):
                return False
            yield "after the script"
            for number, stream in self._streams.items():
                move_marker(self._connection, stream, closed.state.positions[number])
        return True
