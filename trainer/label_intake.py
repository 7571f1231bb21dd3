"""The labels stream's keeper: each label is looked at once, and none leaves unexplained."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from core.connection import Connection, ServerError
from core.entry import ORIGIN, Entry, EntryId, entries_of, field_map, parse_entry_id
from core.errors import GroupMissing, RecordError
from core.group_reader import GroupReader
from core.keys import MONITORS, REQUIRED_GROUPS, TRAINERS, PipelineKeys
from core.label_entry import block_fields, decode_label_entry, set_aside, unmatched_fields
from core.log import shown_id
from core.number import shown
from core.rejection import Rejection
from core.required_groups import required_groups
from core.retention import LABELS, UNMATCHED
from core.sample_block import is_sampled
from core.scripts.commit import MAX_CALL_BYTES, EntryResult, commit
from core.scripts.script import Script
from core.scripts.trim import trim
from core.settings import Settings
from core.takeover import GroupBatch
from trainer.dataset import Dataset, StreamCursor

#: Label entries looked at in one call, so that a flood of labels does not hold up an event.
TAKE_ENTRIES = 10_000
#: Label entries retired in one script call: the server works on nothing else meanwhile.
RETIRE_ENTRIES = 200
#: Newest entries that tell what a label weighs.
WEIGHED_ENTRIES = 20
#: Names the stream in an unmatched entry.
SOURCE = "labels"

_retire = Script("retire_labels", Path(__file__).parent)
_POISON = RecordError("poison", "each trainer that read this label alone died; look at it before sending it again")


class LabelIntake:
    """One consumer of the group ``trainers`` on the labels stream.

    Parameters
    ----------
    keep
        How long labels are kept: ms, bytes.
    """

    def __init__(
        self,
        connection: Connection,
        keys: PipelineKeys,
        consumer: str,
        settings: Settings,
        log: FilteringBoundLogger,
        keep: tuple[int, int] = LABELS,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._share = settings.sample_share
        self._log = log
        self._keep_ms, self._keep_bytes = keep
        self._reader = GroupReader(
            connection,
            (keys.labels,),
            TRAINERS,
            consumer,
            takeover_idle_ms=settings.takeover_idle_ms,
            read_bytes=settings.read_bytes,
            poison_deliveries=settings.poison_deliveries,
            poison_lone_deaths=settings.poison_lone_deaths,
        )
        self._read_bytes = settings.read_bytes
        self._told: frozenset[bytes] = frozenset()  # unusable entries that were told of before the group was made
        self.left_out = 0  #: labels retired whose record was not kept for training, by the sample share

    def join(self) -> bool:
        """Create the group where it is missing; returns whether it was made.

        It reads from the beginning. In case it had been lost, what unmatched tells of a label is not told again.
        """
        made = self._reader.create_group(self._keys.labels)
        if made:
            unmatched = StreamCursor(self._connection, self._keys.unmatched, self._read_bytes)
            found = (field_map(entry.fields) for entry in unmatched.new_entries())
            ours = (fields for fields in found if fields.get(b"source") == SOURCE.encode())
            self._told = frozenset(fields.get(b"record", b"") for fields in ours)
        return made

    def leave(self) -> None:
        """Leave the group."""
        self._reader.leave()

    def take(self, classes: tuple[str, str]) -> int:
        """Look at the new labels, without waiting; returns how many entries there were.

        An entry is acknowledged, and what of it cannot be used goes to ``unmatched``, in one step; so each is said
        once, also where a trainer dies in between. A usable label stays in the stream, from where the data set
        joins it.

        Raises
        ------
        GroupMissing
            The stream or its group is gone.
        """
        taken = 0
        while taken < TAKE_ENTRIES and (batches := self._reader.read(0)):
            for batch in batches:
                taken += len(batch.entries)
                faults = [self._fault(entry, batch, classes) for entry in batch.entries]
                results = [
                    _result(entry, batch, fault) for entry, fault in zip(batch.entries, faults, strict=True)
                ]
                outputs = (self._keys.unmatched,)
                commit(self._connection, batch.stream, TRAINERS, self._reader.consumer, outputs, results)
                self._say(batch, [fault for fault in faults if fault is not None])
        return taken

    def retire(self, dataset: Dataset) -> int:
        """Let the labels go that are older or more than is kept; returns how many entries.

        A label that never met a sampled row goes to ``unmatched`` (``no_record``), unless its record was left out
        by the sample share: that is counted. What the group has not read or acknowledged stays, and what the
        monitor has not read; while its group is missing, though it is required, all do. One script call tells and
        trims, comparing the oldest entry: of two trainers one acts, and a kill leaves nothing half done.

        Raises
        ------
        GroupMissing
            The stream or its group is gone.
        """
        retired = 0
        floor = self._floor()
        while leaving := self._leaving(floor):
            outputs = [fields for entry in leaving for fields in self._without_record(entry, dataset)]
            minimum = parse_entry_id(leaving[-1].id).after
            told = [value for fields in outputs for value in (b"%d" % len(fields), *fields)]
            arguments: list[str | bytes] = [leaving[0].id, str(minimum), *told]
            left = int(_retire.run(self._connection, (self._keys.labels, self._keys.unmatched), arguments))
            if left < 0:
                break
            retired += left
            dataset.forget_labels(minimum)
            self.left_out += sum(self._left_out(entry, dataset) for entry in leaving)
            self._log.info("labels retired", entries=left, no_record=len(outputs), left_out=self.left_out)
        trim(self._connection, self._keys.unmatched, *UNMATCHED)
        return retired

    def _fault(self, entry: Entry, batch: GroupBatch, classes: tuple[str, str]) -> Rejection | None:
        """Why an entry cannot be used, if that was not told before."""
        fault = set_aside(entry, _POISON) if batch.poison else decode_label_entry(entry, classes).fault
        return None if entry.id in self._told else fault

    def _say(self, batch: GroupBatch, faults: list[Rejection]) -> None:
        """One line for a takeover, and one for each reason in a batch: a flood of garbage is no flood of lines."""
        if batch.deliveries:
            first = batch.entries[0]
            self._log.info(
                "taken over",
                stream=batch.stream,
                entries=len(batch.entries),
                record=first.id.decode(),
                id=shown_id(set_aside(first, _POISON).id),
                deliveries=batch.deliveries.get(first.id),
                model=None,
            )
        for reason, alike in groupby(sorted(faults, key=lambda fault: fault.reason), lambda fault: fault.reason):
            entries = list(alike)
            self._log.info(
                "label unusable",
                reason=reason,
                stream=batch.stream,
                entries=len(entries),
                record=entries[0].record.decode(),
                id=shown_id(entries[0].id),
                detail=entries[0].detail,
            )

    def _floor(self) -> EntryId:
        """The first entry that the trainers or the monitor still need."""
        try:
            groups = [field_map(group) for group in self._connection.call("XINFO", "GROUPS", self._keys.labels)]
            read_to = {group[b"name"]: parse_entry_id(group[b"last-delivered-id"]) for group in groups}
            needed = read_to[TRAINERS.encode()].after
            oldest = self._connection.call("XPENDING", self._keys.labels, TRAINERS)[1]
        except (ServerError, KeyError) as error:
            raise GroupMissing(f"group {TRAINERS!r} of {self._keys.labels} is gone; it is made again") from error
        if oldest is not None:
            needed = min(needed, parse_entry_id(oldest))
        if MONITORS in required_groups(self._connection, self._keys, REQUIRED_GROUPS):
            # as with records: a group that is lost has read nothing
            monitor = read_to.get(MONITORS.encode())
            needed = ORIGIN if monitor is None else min(needed, monitor.after)
        return needed

    def _leaving(self, floor: EntryId) -> list[Entry]:
        """The oldest entries that are too old or too many, oldest first; at most :data:`RETIRE_ENTRIES`."""
        labels = self._keys.labels
        newest = entries_of(self._connection.call("XREVRANGE", labels, "+", "-", "COUNT", WEIGHED_ENTRIES))
        if not newest:
            return []
        mean_bytes = max(1, sum(entry.size_bytes for entry in newest) // len(newest))
        excess = int(self._connection.call("XLEN", labels)) - self._keep_bytes // mean_bytes
        oldest_ms = self._connection.now_ms(self._keys.labels) - self._keep_ms
        entries = entries_of(self._connection.call("XRANGE", labels, "-", "+", "COUNT", RETIRE_ENTRIES))
        leaving: list[Entry] = []
        size_bytes = 0
        for number, entry in enumerate(entries):
            entry_id = parse_entry_id(entry.id)
            size_bytes += entry.size_bytes
            if entry_id >= floor or (number >= excess and entry_id.ms >= oldest_ms):
                break
            if leaving and size_bytes > MAX_CALL_BYTES:
                break
            leaving.append(entry)
        return leaving

    def _without_record(self, entry: Entry, dataset: Dataset) -> list[list[bytes]]:
        """What unmatched is told of an entry: its labels that found no row, as they came."""
        labels = decode_label_entry(entry, dataset.schema.classes).labels
        lost = [
            (record_id, label)
            for record_id, label in labels
            if is_sampled(record_id, self._share) and not dataset.has_matched(record_id)
        ]
        if not lost:
            return []
        error = RecordError(
            "no_record",
            f"no sampled row of id {shown(lost[0][0])} came while its label was kept; check the id, and that its "
            "record was sent",
        )
        whole = b"_ids" not in field_map(entry.fields)
        return [unmatched_fields(set_aside(entry, error, None if whole else block_fields(lost)), SOURCE)]

    def _left_out(self, entry: Entry, dataset: Dataset) -> int:
        labels = decode_label_entry(entry, dataset.schema.classes).labels
        return sum(not is_sampled(record_id, self._share) for record_id, _ in labels)


def _result(entry: Entry, batch: GroupBatch, fault: Rejection | None) -> EntryResult:
    outputs = [] if fault is None else [(1, unmatched_fields(fault, SOURCE))]
    return EntryResult(entry.id, batch.deliveries.get(entry.id, 1), outputs)
