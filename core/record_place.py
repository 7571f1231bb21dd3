"""Where a record stands among all records of a pipeline."""

from __future__ import annotations

from typing import NamedTuple

from core.entry import EntryId, parse_entry_id


class RecordPlace(NamedTuple):
    """A record's entry, partition and row; places are ordered as the monitor merges records.

    An entry id alone is not enough: a block of thousands of records has one, and partitions share them.
    """

    ms: int
    seq: int
    partition: int = 0
    row: int = 0  #: its number in the entry

    @property
    def entry_id(self) -> EntryId:
        """The entry as an id."""
        return EntryId(self.ms, self.seq)


def place_of(entry: str, partition: int | None, row: int | None) -> RecordPlace:
    """The place in an entry; where partition or row are not known, the first one of that entry id.

    Raises
    ------
    ValueError
        Text that is no entry id.
    """
    return RecordPlace(*parse_entry_id(entry), partition or 0, row or 0)
