"""What is refused: the newest rejections, and how often each reason occurs among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from core.connection import Connection
from core.keys import PartitionKeys
from core.scripts.entry_fields import EntryQuery, each_entry_fields
from monitor.live.flow import Refused
from monitor.live.numbers import id_ms
from monitor.live.partition_look import PartitionLook
from monitor.live.text import SENTENCE_CHARACTERS, shown

#: Newest rejections whose reasons are counted, and how many of them are shown.
COUNTED, SHOWN = 100, 5
#: Of many partitions each is asked for no fewer.
LEAST_A_PARTITION = 20
_FIELDS = ("reason", "detail", "record", "id", "#_rows")
#: Bytes of a number of a row in ``_rows``.
_ROW_BYTES = 4


class _Rejected(NamedTuple):
    """One entry of a rejected stream."""

    ms: int
    values: list[Any]  #: of ``_FIELDS``


class Rejections:
    """Follows the rejected streams from look to look; one that did not change is not read again."""

    def __init__(self) -> None:
        self._last: dict[int, bytes] = {}
        self._newest: dict[int, list[_Rejected]] = {}
        self.reasons: dict[str, int] = {}  #: rows by reason
        self.newest: list[Refused] = []

    def look(
        self, connection: Connection, partitions: Sequence[PartitionKeys], looks: Sequence[PartitionLook]
    ) -> None:
        """Read what changed."""
        changed = [
            (partition, look)
            for partition, look in zip(partitions, looks, strict=True)
            if self._last.get(look.number) != look.rejected.last
        ]
        if not changed:
            return
        count = max(LEAST_A_PARTITION, COUNTED // len(partitions))
        queries = [EntryQuery(partition.rejected, _FIELDS, count) for partition, _ in changed]
        for (_, look), found in zip(changed, each_entry_fields(connection, queries), strict=True):
            self._newest[look.number] = [_Rejected(id_ms(entry.id), entry.values) for entry in found.entries]
            self._last[look.number] = look.rejected.last
        newest = sorted((one for each in self._newest.values() for one in each), key=lambda one: -one.ms)
        counts: Counter[str] = Counter()
        for one in newest[:COUNTED]:
            rows = one.values[4]
            counts[shown(one.values[0] or b"unknown")] += 1 if rows is None else rows // _ROW_BYTES
        self.reasons = dict(counts.most_common())
        self.newest = [_refused(one) for one in newest[:SHOWN]]


def _refused(one: _Rejected) -> Refused:
    reason, detail, record, record_id, rows = one.values
    return Refused(
        ts_ms=one.ms,
        reason=shown(reason or b"unknown"),
        detail=shown(detail or b"", SENTENCE_CHARACTERS),
        record=shown(record or b""),
        id=shown(record_id) if record_id is not None and rows is None else None,
    )
