"""The pane that is being filled: all of it that the detectors do not hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.entry import EntryId
from core.sample_block import SampleBlock
from core.schema import Schema
from monitor.record_run import SampledRows, Unusable
from monitor.trail import Run, Span, Trail


class OpenPane:
    """Counts, names and samples of a pane that began at ``start``; ``cuts``: an alarm ends it."""

    def __init__(self, start: EntryId, *, cuts: bool) -> None:
        self.start_ms = self.newest_ms = start.ms
        self.cuts = cuts
        self.skipped = self.missing = 0
        self.span = Span()
        self.at_alarm: Trail | None = None  #: the trail as it stood with the record at which a detector alarmed
        self.at_label: int | None = None  #: records of the trail when the label came at which theirs alarmed
        self._samples: list[SampledRows] = []
        self._sampled_records: list[NDArray[np.int64]] = []  # their numbers in merged order

    @property
    def is_empty(self) -> bool:
        """Whether no usable record has come yet."""
        return not self.span.first_entry

    @property
    def label_came_first(self) -> bool:
        """Whether an alarm of the labels, if there was one, came before that of the records.

        One that is not of the pane came before it.
        """
        return self.at_alarm is None or self.at_label is None or self.at_label < self.at_alarm.records

    def hold(self, last: Run, opening: Run | None) -> None:
        """It goes on to the last record of ``last``; ``opening`` is its first record alone, where that is new."""
        first = None if opening is None else opening.place(0)
        newest = last.place(-1)
        self.span = Span(
            self.span.first if first is None else first.record,
            self.span.first_entry if first is None else first.entry,
            newest.record,
            newest.entry,
        )

    def keep(self, rows: SampledRows, run_begin: int) -> None:
        """Rows for training, of a run of which row r is record number ``run_begin + r`` in merged order."""
        if rows.ids:
            self._samples.append(rows)
            self._sampled_records.append(run_begin + np.array(rows.rows, dtype=np.int64))

    def leave(self, entry_ms: int, unusable: Unusable) -> None:
        """It holds an entry, or a part of it, of which some records could not be used."""
        self.skipped += unusable.skipped
        self.missing += unusable.missing
        self.reach(entry_ms)

    def reach(self, entry_ms: int) -> None:
        """It holds an entry of that time."""
        self.newest_ms = max(self.newest_ms, entry_ms)

    def samples(self, window: int, schema: Schema) -> SampleBlock | None:
        """The rows kept, None where there are none."""
        parts = self._samples
        if not parts:
            return None
        return SampleBlock(
            window,
            schema.fingerprint,
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.y for part in parts]),
            [record_id for part in parts for record_id in part.ids],
            np.concatenate([part.positions for part in parts]),
            np.concatenate(self._sampled_records),
        )
