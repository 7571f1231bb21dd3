"""Records as they come off the wire, decoded once: plain records and blocks into one array of rows.

What cannot be used becomes a rejection with the first reason that applies; good rows of a block stay.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from core.block_decoder import decode_alike_blocks, decode_block
from core.entry import WIRE_VERSION, Entry
from core.errors import RecordError
from core.model import Floats
from core.number import all_decimal, parse_json_numbers, parse_number, shown
from core.record_fields import check_id, parse_event_time_ms, parse_label
from core.record_rows import AlikeRows, RecordBatch, RecordRows
from core.rejection import Rejection
from core.schema import Schema
from core.traceparent import FIELD as TRACEPARENT
from core.traceparent import is_traceparent, traceparent_of

#: Field layouts remembered; a producer sends one, so more than this is somebody's noise.
MAX_LAYOUTS = 256
#: Names of a layout worth remembering have at most this many bytes (500 features take some 10 kB), so 256 of them
#: stay below 16 MiB whatever comes in.
MAX_LAYOUT_BYTES = 64 * 1024


class _Layout(NamedTuple):
    """Where things stand in a plain record with a given sequence of field names."""

    is_block: bool
    error: tuple[str, str] | None  #: reason and detail; an exception kept here would grow a traceback
    features: tuple[int, ...]
    version: int
    id: int
    event_time: int
    label: int
    traceparent: int
    bare: bool  #: has no reserved fields but those that a block needs, and a trace


class RecordDecoder:
    """Decode entries for one schema; holds a cache of field layouts and nothing else."""

    def __init__(self, schema: Schema, max_entry_bytes: int) -> None:
        self.schema = schema
        self._max_entry_bytes = max_entry_bytes
        self._layouts: dict[tuple[bytes, ...], _Layout] = {}

    def decode(self, entries: Sequence[Entry], most_bytes: int | None = None) -> RecordBatch:
        """Decode entries; never raises for what an entry holds. ``most_bytes``: no entry is larger, if known."""
        return (
            self._decode_alike(entries, most_bytes)
            or self._decode_partly_traced(entries, most_bytes)
            or self._decode_each(entries)
        )

    def _decode_alike(self, entries: Sequence[Entry], most_bytes: int | None) -> RecordBatch | None:
        """All at once, where all have the fields of the first one, and nothing is wrong with any."""
        names = entries[0].fields[::2] if entries else []
        layout = self._layouts.get(tuple(names))
        if layout is None or layout.error is not None or (layout.is_block and not layout.bare):
            return None
        fields = [entry[1] for entry in entries]
        if [each[::2] for each in fields] != [names] * len(fields):
            return None
        if layout.version >= 0 and {each[layout.version] for each in fields} != {WIRE_VERSION}:
            return None
        if most_bytes is None or most_bytes > self._max_entry_bytes:
            most_bytes = max([sum(map(len, each)) for each in fields])
        if most_bytes > self._max_entry_bytes:
            return None
        x = decode_alike_blocks(fields, names, self.schema) if layout.is_block else _alike_plain(fields, layout)
        rows = None if x is None else self._alike_rows(entries, fields, layout, len(x) // len(entries))
        return None if x is None or rows is None else RecordBatch(x, rows, [])

    def _decode_partly_traced(self, entries: Sequence[Entry], most_bytes: int | None) -> RecordBatch | None:
        """As :meth:`_decode_alike`, where they are alike but that only some name a trace."""
        sizes = {len(entry[1]) for entry in entries}
        if len(sizes) != 2 or max(sizes) - min(sizes) != 2:
            return None
        if most_bytes is None or most_bytes > self._max_entry_bytes:
            most_bytes = max(entry.size_bytes for entry in entries)
        if most_bytes > self._max_entry_bytes:
            return None
        batch = self._decode_alike([_without_trace(entry) for entry in entries], most_bytes)
        if batch is None or not isinstance(batch.entries, AlikeRows):
            return None
        batch.entries.entries = entries
        batch.entries.traceparents = [traceparent_of(entry) for entry in entries]
        return batch

    def _alike_rows(
        self, entries: Sequence[Entry], fields: list[list[bytes]], layout: _Layout, rows_each: int
    ) -> AlikeRows | None:
        """The rows with the reserved fields that the layout has; None where one has to be looked at."""
        traceparents = None
        if layout.traceparent >= 0:
            traceparents = [each[layout.traceparent] for each in fields]
            if not all(map(is_traceparent, traceparents)):
                return None
        if layout.is_block or layout.bare:
            return AlikeRows(entries, not layout.is_block, rows_each, traceparents=traceparents)
        ids = times = labels = None
        try:
            if layout.id >= 0:
                ids = [check_id(each[layout.id]) for each in fields]
            if layout.event_time >= 0:
                times = [parse_event_time_ms(each[layout.event_time]) for each in fields]
            if layout.label >= 0:
                labels = np.array([parse_label(each[layout.label], self.schema.classes) for each in fields])
        except RecordError:
            return None
        return AlikeRows(entries, True, 1, ids=ids, labels=labels, event_times_ms=times, traceparents=traceparents)

    def _decode_each(self, entries: Sequence[Entry]) -> RecordBatch:
        """One after the other."""
        texts: list[bytes] = []
        plain: list[RecordRows] = []
        blocks: list[tuple[RecordRows, Floats]] = []
        rejections: list[Rejection] = []
        for entry in entries:
            try:
                layout = self._layout(entry)
                if layout.is_block:
                    block = decode_block(entry, self.schema)
                    rejections += block.rejections
                    if len(block.x):
                        rows = RecordRows(
                            entry, False, 0, len(block.x), block.rows, block.ids, block.labels, block.event_time_ms
                        )
                        if layout.traceparent >= 0:
                            rows.traceparent = traceparent_of(entry)
                        blocks.append((rows, block.x))
                    continue
                rows = self._reserved(entry, layout)
                fields = entry.fields
                texts += [fields[position] for position in layout.features]
                plain.append(rows)
            except RecordError as error:
                rejections.append(reject_entry(entry, error))
        plain_x, plain = self._plain_rows(texts, plain, rejections)
        return _assemble(plain_x, plain, blocks, rejections, self.schema.width)

    def _layout(self, entry: Entry) -> _Layout:
        size = entry.size_bytes
        if size > self._max_entry_bytes:
            raise RecordError(
                "too_large", f"the entry has {size} bytes; send at most {self._max_entry_bytes} (max_entry_bytes)"
            )
        names = tuple(entry.fields[::2])
        layout = self._layouts.get(names)
        if layout is None:
            layout = _make_layout(names, self.schema)
            self._remember(names, layout)
        if layout.version >= 0 and entry.fields[layout.version] != WIRE_VERSION:
            raise RecordError(
                "unknown_version",
                f"_v is {shown(entry.fields[layout.version])}; version 1 is read here; send that or upgrade",
            )
        if layout.error is not None and layout.error[0] == "duplicate_field":
            raise RecordError(*layout.error)
        return layout

    def _remember(self, names: tuple[bytes, ...], layout: _Layout) -> None:
        if sum(map(sys.getsizeof, names)) > MAX_LAYOUT_BYTES:
            return
        if len(self._layouts) >= MAX_LAYOUTS:
            self._layouts.clear()
        self._layouts[names] = layout

    def _reserved(self, entry: Entry, layout: _Layout) -> RecordRows:
        rows = RecordRows(entry, True, 0, 1)
        if layout.id >= 0:
            rows.ids = (check_id(entry.fields[layout.id]),)
        if layout.event_time >= 0:
            rows.event_time_ms = parse_event_time_ms(entry.fields[layout.event_time])
        if layout.label >= 0:
            rows.labels = np.array([parse_label(entry.fields[layout.label], self.schema.classes)])
        if layout.traceparent >= 0:
            rows.traceparent = traceparent_of(entry)
        if layout.error is not None:
            raise RecordError(*layout.error)
        return rows

    def _plain_rows(
        self, texts: list[bytes], plain: list[RecordRows], rejections: list[Rejection]
    ) -> tuple[Floats, list[RecordRows]]:
        """Numbers of all plain records at once; one by one only where some are unusable."""
        width = self.schema.width
        if all_decimal(texts):
            x = np.array(list(map(float, texts)), dtype=np.float64).reshape(len(plain), width)
            if np.isfinite(x).all():
                return x, plain
        values: list[float] = []
        kept: list[RecordRows] = []
        for index, rows in enumerate(plain):
            row_texts = texts[index * width : (index + 1) * width]
            try:
                numbers = _parse_row(row_texts, self.schema)
            except RecordError as error:
                rejections.append(reject_entry(rows.entry, error))
                continue
            values += numbers
            kept.append(rows)
        return np.array(values, dtype=np.float64).reshape(len(kept), width), kept


def _without_trace(entry: Entry) -> Entry:
    """The entry as if it named none; a second one, which is a fault, stays."""
    names = entry.fields[::2]
    if TRACEPARENT not in names:
        return entry
    place = 2 * names.index(TRACEPARENT)
    return Entry(entry.id, entry.fields[:place] + entry.fields[place + 2 :])


def reject_entry(entry: Entry, error: RecordError) -> Rejection:
    """The rejection of a whole entry, with its id where that can be read."""
    return Rejection(entry.id, error.reason, error.detail, record_id_of(entry), entry=entry.fields)


def record_id_of(entry: Entry) -> bytes | None:
    """The id that an entry brought as a plain record, where it can be read."""
    names = entry.fields[:-1:2]  # those with a value
    if b"_id" not in names:
        return None
    try:
        return check_id(entry.fields[2 * names.index(b"_id") + 1])
    except RecordError:
        return None


def _alike_plain(fields: list[list[bytes]], layout: _Layout) -> Floats | None:
    """The numbers (n, d) of plain records of one layout; None where one of them has to be looked at."""
    places = layout.features
    if len(places) == 1:
        texts = [each[places[0]] for each in fields]
    else:
        pick = itemgetter(*places)
        texts = [text for each in fields for text in pick(each)]
    numbers = parse_json_numbers(texts)
    if numbers is None:
        return None
    x = np.array(numbers, dtype=np.float64).reshape(len(fields), len(places))
    return x if np.isfinite(x).all() else None


def _make_layout(names: tuple[bytes, ...], schema: Schema) -> _Layout:
    positions = {name: 2 * index + 1 for index, name in reversed(list(enumerate(names)))}
    error = None
    if len(positions) != len(names):
        repeated = next(name for index, name in enumerate(names) if positions[name] != 2 * index + 1)
        error = ("duplicate_field", f"field {shown(repeated)} occurs twice; send each field once")
    elif b"_n" not in positions:
        missing = [name for name in schema.features_encoded if name not in positions]
        if missing:
            error = ("missing_feature", f"feature {shown(missing[0])} is missing; send all {schema.width}")
    features = tuple(positions.get(name, -1) for name in schema.features_encoded)
    reserved = (b"_v", b"_id", b"_ts", b"_y", TRACEPARENT)
    version, record_id, event_time, label, trace = (positions.get(name, -1) for name in reserved)
    bare = all(name not in positions for name in (b"_id", b"_ids", b"_ts", b"_y"))
    return _Layout(b"_n" in positions, error, features, version, record_id, event_time, label, trace, bare)


def _parse_row(texts: list[bytes], schema: Schema) -> list[float]:
    """Numbers of one record; ``not_a_number`` goes before ``not_finite`` whichever field comes first."""
    numbers: list[float] = []
    first_not_finite: RecordError | None = None
    for text, name in zip(texts, schema.features, strict=True):
        try:
            numbers.append(parse_number(text, name))
        except RecordError as error:
            if error.reason == "not_a_number":
                raise
            first_not_finite = first_not_finite or error
    if first_not_finite is not None:
        raise first_not_finite
    return numbers


def _assemble(
    plain_x: Floats,
    plain: list[RecordRows],
    blocks: list[tuple[RecordRows, Floats]],
    rejections: list[Rejection],
    width: int,
) -> RecordBatch:
    """One array over all entries: plain rows first, then block after block."""
    parts = [plain_x] if plain else []
    position = 0
    for rows in plain:
        rows.start, rows.stop = position, position + 1
        position += 1
    entries = list(plain)
    for rows, x in blocks:
        entries.append(replace(rows, start=position, stop=position + len(x)))
        parts.append(x)
        position += len(x)
    if not parts:
        return RecordBatch(np.empty((0, width)), entries, rejections)
    return RecordBatch(parts[0] if len(parts) == 1 else np.concatenate(parts), entries, rejections)
