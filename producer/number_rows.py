"""The fast way for plain records: rows of numbers under the same names, turned into fields a batch at a time.

Most records are a dict of numbers with the same names as the one before. Their values become text in one call a
record, and their fields are laid out with a few slice assignments a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from core.scripts.publish import MAX_CALL_ENTRIES
from producer.packed import MAX_CALL_BYTES, Packed

#: Sets of names remembered; a client that sends more of them takes the slow way for some.
MAX_FORMS = 256

#: Characters of a number that is surely below 1e308; a whole number may have more.
LONGEST_NUMBER = 300

_to_json = msgspec.json.Encoder().encode
#: What finite numbers are made of. Anything else, as in null (nan and None), true, quotes and brackets, shows.
_NUMERIC = b"0123456789.,eE+-"


class Form(NamedTuple):
    """The names of a record, checked, as they stand among its fields; values are filled in."""

    names: tuple[str, ...]
    template: list[bytes | int]
    size_bytes: int  #: of the names
    with_id: bool


#: The form of a record, and its values as text joined by commas. A plain tuple, for there is one a record.
NumberRow = tuple[Form, bytes]


class Forms:
    """The forms of the records seen lately."""

    def __init__(self) -> None:
        self._forms: dict[tuple[str, ...], tuple[Form, Form]] = {}

    def row(self, features: Mapping[str, object], with_id: bool) -> NumberRow | None:
        """The record as a row of numbers, or None where the slow way must look at it: only that one judges."""
        forms = self._forms.get(tuple(features))
        if forms is None:
            return None
        try:
            text = _to_json(list(features.values()))[1:-1]
        except (TypeError, ValueError, OverflowError):
            return None
        if text.translate(None, _NUMERIC) or text.count(b",") >= len(features):
            return None
        if len(text) > LONGEST_NUMBER and max(map(len, text.split(b","))) > LONGEST_NUMBER:
            return None
        return forms[with_id], text

    def learn(self, features: Mapping[str, object]) -> None:
        """Remember the names of a record that the slow way found good."""
        names = tuple(features)
        if names and len(self._forms) < MAX_FORMS and names not in self._forms:
            self._forms[names] = (_form(names, with_id=False), _form(names, with_id=True))


class NumberRows:
    """Rows of one form in the order in which they came."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.texts: list[bytes] = []
        self.ids: list[bytes] = []

    def packed(self) -> list[Packed]:
        """All of them as arguments of calls that keep to the limits."""
        size_bytes = sum(map(len, self.texts)) + sum(map(len, self.ids))
        size_bytes += len(self.texts) * self.form.size_bytes
        rows = max(1, min(MAX_CALL_ENTRIES, len(self.texts) * MAX_CALL_BYTES // max(1, size_bytes)))
        return [self._packed(start, start + rows) for start in range(0, len(self.texts), rows)]

    def _packed(self, start: int, stop: int) -> Packed:
        form, texts = self.form, self.texts[start:stop]
        values = b",".join(texts).split(b",")
        stride = len(form.template)
        arguments = form.template * len(texts)
        for column in range(len(form.names)):
            arguments[2 + 2 * column :: stride] = values[column :: len(form.names)]
        # the commas between them stay behind
        size_bytes = sum(map(len, texts)) + len(texts) * (form.size_bytes - len(form.names) + 1)
        if form.with_id:
            ids = self.ids[start:stop]
            arguments[stride - 1 :: stride] = ids
            size_bytes += sum(map(len, ids))
        return Packed(arguments, len(texts), len(texts), size_bytes)


def _form(names: tuple[str, ...], *, with_id: bool) -> Form:
    fields: list[bytes] = []
    for name in (*names, "_id") if with_id else names:
        fields += [name.encode(), b""]
    return Form(names, [len(fields), *fields], sum(map(len, fields)), with_id)
