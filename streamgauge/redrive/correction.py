"""Corrections: the same change to every record that is sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from core.errors import RecordError, SettingsError
from core.number import parse_number
from core.record_fields import parse_event_time_ms, parse_label
from core.traceparent import FIELD as TRACEPARENT
from streamgauge.redrive.draft import Draft, FieldsDraft, RowsDraft

#: Classes whose names a label of a block may not use: there it is a number.
_NO_CLASSES = ("0", "1")


@dataclass(frozen=True)
class Corrections:
    """Drop fields, then rename, then set; a field that is set takes the place of all of its name."""

    dropped: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, drop: Sequence[str], rename: Sequence[str], set_: Sequence[str]) -> Self:
        """Read the options. Raises SettingsError for one without ``=`` or name."""
        return cls(
            tuple(drop),
            tuple(_pair(text, "--rename", "OLD=NEW") for text in rename),
            tuple(_pair(text, "--set", "FIELD=VALUE") for text in set_),
        )

    def apply(self, draft: Draft) -> Draft:
        """The corrected draft. Raises RecordError where rows of a block cannot be corrected so."""
        if not (self.dropped or self.renamed or self.values):
            return draft
        return self._fields(draft) if isinstance(draft, FieldsDraft) else self._rows(draft)

    def _fields(self, draft: FieldsDraft) -> FieldsDraft:
        dropped = {name.encode() for name in self.dropped}
        renamed = {old.encode(): new.encode() for old, new in self.renamed}
        values = {name.encode(): value.encode() for name, value in self.values}
        corrected: list[bytes] = []
        for name, value in zip(draft.fields[::2], draft.fields[1::2], strict=True):
            new_name = renamed.get(name, name)
            if name in dropped:
                continue
            if new_name not in values:
                corrected += [new_name, value]
            elif new_name not in corrected[::2]:
                corrected += [new_name, values[new_name]]
        present = set(corrected[::2])
        for name, value in values.items():
            if name not in present:
                corrected += [name, value]
        return replace(draft, fields=corrected)

    def _rows(self, draft: RowsDraft) -> RowsDraft:
        for name in self.dropped:
            draft = _without(draft, name)
        for old, new in self.renamed:
            draft = replace(draft, names=tuple(new if name == old else name for name in draft.names))
        for name, value in self.values:
            draft = _with(draft, name, value)
        repeated = [name for name in draft.names if draft.names.count(name) > 1]
        if repeated:
            raise RecordError("duplicate_field", f"column {repeated[0]!r} occurs twice now; drop the other one")
        return draft


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator or (option == "--rename" and not value):
        raise SettingsError(f"{option} is {text!r}; give {form}")
    return name, value


def _without(draft: RowsDraft, name: str) -> RowsDraft:
    if name in {"_id", "_ids"}:
        return replace(draft, ids=draft.default_ids)
    if name == "_y":
        return replace(draft, labels=None)
    if name == "_ts":
        return replace(draft, event_time_ms=None)
    if name == TRACEPARENT.decode():
        return replace(draft, traceparent=None)
    kept = [column for column, known in enumerate(draft.names) if known != name]
    return replace(draft, names=tuple(draft.names[column] for column in kept), x=draft.x[:, kept])


def _with(draft: RowsDraft, name: str, text: str) -> RowsDraft:
    """One value for a whole column."""
    value = text.encode()
    if name == "_id" and len(draft.rows) == 1:
        return replace(draft, ids=(value,))
    if name == "_y":
        return replace(draft, labels=np.full(len(draft.rows), parse_label(value, _NO_CLASSES)))
    if name == "_ts":
        return replace(draft, event_time_ms=parse_event_time_ms(value))
    if name.startswith("_"):
        raise RecordError("bad_field", f"{name} of rows of a block cannot be set for all; use --export and --from")
    column = np.full((len(draft.rows), 1), parse_number(value, name))
    draft = _without(draft, name)
    return replace(draft, names=(*draft.names, name), x=np.hstack([draft.x, column]))
