"""docs/reference/wire.md: keys, entries, reasons, limits and the live state."""

from __future__ import annotations

import inspect

from core import decision_entry, model_file, record_fields, rejection, sample_block
from core.drift_window import Alarm, Reading
from core.label_figures import LabelFigures
from core.own_figures import OwnFigure, OwnFigures
from core.scripts import publish
from core.settings import Settings
from docs.source.comments import word_comments
from docs.source.entries import Form, forms
from docs.source.key_catalogue import keys_table, listed_keys
from docs.source.markdown import code, table
from docs.source.quantity import bytes_in_words
from docs.source.structs import field_table, in_markdown, struct_fields, structs_of
from monitor.live.state import LiveState

_HEAD = """\
# The wire format, field by field

What stands where in Redis, and what the monitor's page is fed with. How to use it, what is guaranteed and how
versions go together: [wire format](../wire-format.md).

## Keys

`PIPELINE:P` stands for the tag of partition P, `RUN` for a run. All keys of one tag lie on one server, and
each script touches those of one. Commands are those of `streamgauge`, readers whoever reads results; the user
`viewer` of [security](../security.md) may read everything. Sizes are those of the server's memory, of labels
those of their fields. What has nothing in the last column is kept until it is written anew.

"""
_ENTRIES = """\
## Entries

Fields are text unless their kind says otherwise; lists, maps and objects are JSON, numbers the shortest text
that reads back, arrays little-endian bytes. What is not known is left out. A reader takes the fields it knows
and passes over others.
"""
_LIVE = """\
## The live state

What `GET /api/state` of the monitor answers, and `streamgauge status --watch` shows: one JSON object, made
about once a second while somebody asks ([the page](../page.md)). Times are milliseconds of the server's clock
since 1970; null is what is not known.
"""
_REASONS = """\
## Reasons of a rejection

The first that applies is given. Good rows of a block are scored, bad ones rejected.
"""
#: Limits that are constants: module, name, words.
_LIMITS = (
    (record_fields, "MAX_ID_BYTES", "bytes of a record id"),
    (publish, "MAX_CALL_ENTRIES", "entries that one call of `Producer` carries"),
    (sample_block, "MAX_ENTRY_BYTES", "bytes of rows in one entry of samples"),
    (decision_entry, "MAX_SENTENCE_CHARACTERS", "characters of a decision's sentence"),
    (model_file, "MAX_BYTES", "bytes of a model file"),
)


def wire_page() -> str:
    """The page."""
    parts = [
        _HEAD + keys_table(),
        _ENTRIES,
        *(_form(form) for form in forms()),
        "### Within these\n",
        *(_struct(struct, 4) for struct in (Reading, Alarm, LabelFigures, OwnFigures, OwnFigure)),
        _REASONS,
        _reasons(),
        "## Limits\n",
        _limits(),
        _LIVE,
        *(_struct(struct, 3, " or null") for struct in structs_of(LiveState)),
    ]
    return "\n".join(parts)


def _form(form: Form) -> str:
    key = {listed.name: pattern for pattern, _, listed in reversed(listed_keys())}[form.key]
    return f"### {form.title}\n\n{form.words}\n\nKey: {code(key)}\n\n{field_table(form.fields)}"


def _struct(struct: type, level: int, none: str = "") -> str:
    words = in_markdown(" ".join((inspect.getdoc(struct) or "").split()))
    return f"{'#' * level} {struct.__name__}\n\n{words}\n\n{field_table(struct_fields(struct, none))}"


def _reasons() -> str:
    reasons = word_comments(rejection, "REASONS")
    return table(("reason", "meaning"), [(code(reason), words) for reason, words in reasons.items()])


def _limits() -> str:
    rows = [("bytes of an entry of records", f"{bytes_in_words(Settings().max_entry_bytes)} (`max_entry_bytes`)")]
    for module, name, words in _LIMITS:
        value: int = getattr(module, name)
        rows.append((words, bytes_in_words(value) if name.endswith("_BYTES") and value > 1024 else f"{value:,}"))
    rows.append(("of HTTP", "see [security](../security.md#http)"))
    return table(("what", "at most"), rows)
