"""The id that each decoded row has on the wire."""

from __future__ import annotations

from core.entry import default_record_id
from core.record_rows import RecordRows


def record_ids(rows: RecordRows, partition: int) -> list[bytes]:
    """Its own, or the default where the record brought none."""
    if rows.ids is not None:
        return list(rows.ids)
    return [default_record_id(partition, rows.entry.id, row) for row in rows.row_numbers()]
