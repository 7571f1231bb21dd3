"""The entries of every stream and the fields of every hash, as docs/reference/wire.md lists them.

What is written as a struct is read from it. What is written field by field is listed here; tests/docs compares the
names with what the code writes and reads.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from core.decision_entry import DecisionEntry
from core.drift_window import DriftWindow, RetrainEvent
from core.record_fields import MAX_ID_BYTES
from docs.source.structs import Field, struct_fields

#: Every entry has it but a record or a label, where it may be absent.
VERSION = Field("_v", "whole number", "version of the format: 1")
_MAY_BE_ABSENT = VERSION._replace(words="optional: version of the format, 1")
_TRACE = Field("_traceparent", "text", "W3C trace context, of a record or block that brought one")
_RECORD = Field("record", "text", "entry id of the record")
_TS = Field("ts", "whole number", "when it was written: ms of the server's clock")
_SCHEMA = Field(
    "_schema", "text", "first 16 hex digits of SHA-256 over the feature names in order, joined by newline"
)
_IDS = Field("_ids", "lines", "ids of the records, joined by newline")
_MODEL = Field("model", "text", "run that answered")
_BIAS = Field("bias", "number", "the model's intercept")


class Form(NamedTuple):
    """One kind of entry, or of hash."""

    title: str
    key: str  #: name of the property of core.keys
    words: str
    fields: tuple[Field, ...]


PLAIN_RECORD = Form(
    "Record",
    "records",
    "One record an entry. All fields but these are features, as ASCII decimal text; those that the model does not "
    "know are ignored.",
    (
        _MAY_BE_ABSENT,
        Field(
            "_id",
            "text",
            f"optional: id of the record, 1 to {MAX_ID_BYTES} bytes, no control characters; without one "
            "`<partition>-<entry id>-<row>`",
        ),
        Field("_ts", "whole number", "optional: event time: ms since 1970"),
        Field("_y", "text", "optional: its label: 0, 1 or a class name; empty: unknown"),
        Field("_traceparent", "text", "optional: W3C trace context, version 00; what cannot be read is ignored"),
    ),
)
BLOCK = Form(
    "Block",
    "records",
    "Many records an entry; arrays are little-endian.",
    (
        _MAY_BE_ABSENT,
        Field("_n", "whole number", "rows, n"),
        Field("_x", "n × d float64", "values row by row, features in the model's order"),
        _SCHEMA,
        Field(
            "_ids",
            "n lines",
            "optional: ids of the rows, joined by newline; else `<partition>-<entry id>-<row>`",
        ),
        Field("_y", "n float64", "optional: labels: 0, 1, or nan where unknown"),
        Field("_ts", "whole number", "optional: event time of all rows: ms since 1970"),
        Field("_traceparent", "text", "optional: W3C trace context of the block"),
    ),
)
LABEL = Form(
    "Label",
    "labels",
    "One outcome, by the id of its record, before or after the record came.",
    (_MAY_BE_ABSENT, Field("id", "text", "id of the record"), Field("y", "text", "0, 1 or a class name")),
)
LABEL_BLOCK = Form(
    "Labels in a block",
    "labels",
    "Many outcomes.",
    (
        _MAY_BE_ABSENT,
        Field("_ids", "n lines", "ids of the records, joined by newline"),
        Field("_y", "n float64", "0 or 1"),
    ),
)
PLAIN_PREDICTION = Form(
    "Prediction",
    "predictions",
    "The answer to a plain record. `logit = bias + sum of the contributions`.",
    (
        VERSION,
        Field("id", "text", "id of the record"),
        _RECORD,
        Field("row", "whole number", "0: a plain record is one row"),
        Field("pred", "0 or 1", "the class: 1 from the model's threshold on"),
        Field("p_class1", "number", "probability of class 1, calibrated where the model is"),
        Field("p_raw", "number", "the sigmoid of the logit, only of a calibrated model"),
        Field("logit", "number", "log-odds of class 1, before calibration"),
        _BIAS,
        Field("contrib", "JSON map of number", "what each feature adds to the logit"),
        _MODEL,
        _TRACE,
        _TS,
    ),
)
BLOCK_PREDICTION = Form(
    "Predictions of a block",
    "predictions",
    "The answers to a block's rows; the same values have the same bits as those of plain records.",
    (
        VERSION,
        Field("_n", "whole number", "rows that are answered, n"),
        _RECORD,
        Field("_rows", "n int32", "their numbers in the block, only where some rows were rejected"),
        Field("_ids", "n lines", "their ids, where the block has some"),
        Field("_pred", "n uint8", "the classes"),
        Field("_p", "n float64", "probabilities of class 1, calibrated where the model is"),
        Field("_p_raw", "n float64", "before calibration, only of a calibrated model"),
        Field("_logit", "n float64", "log-odds of class 1, before calibration"),
        Field("_contrib", "n × d float64", "what each feature adds to the logits, features in the model's order"),
        _BIAS,
        _MODEL,
        _TRACE,
        Field(
            "ts",
            "whole number",
            "when it was written: ms of the server's clock, of a large block to within some ms",
        ),
    ),
)
REJECTION = Form(
    "Rejection",
    "rejected",
    "What could not be scored, whole: the entry, or rows of a block.",
    (
        VERSION,
        _RECORD,
        Field("id", "text", "id of the record, where it can be read"),
        Field("reason", "text", "one of the [reasons](#reasons-of-a-rejection)"),
        Field("detail", "text", "one sentence with field and value"),
        Field(
            "entry", "msgpack list of bytes", "fields and values as they came, every byte; not for rows of a block"
        ),
        Field("_rows", "k int32", "numbers of the rows of a block"),
        Field("_x", "k × d float64", "their values"),
        Field("_schema", "text", "as the block has it"),
        Field("_ids", "k lines", "their ids, where the block has some"),
        _TRACE,
        _TS,
    ),
)
SAMPLE = Form(
    "Sample",
    "samples",
    "Rows of one window that are kept for training.",
    (
        VERSION,
        Field("window", "whole number", "number of the window"),
        Field("_n", "whole number", "rows, n"),
        _SCHEMA,
        Field("_x", "n × d float64", "values row by row"),
        Field("_y", "n float64", "labels that came with the records; nan: none did"),
        _IDS,
        Field("_positions", "n × 4 int64", "entry id as ms and sequence, row, partition"),
        Field(
            "_records",
            "n int64",
            "usable records before each in merged order since the monitor's state began; "
            "rows with adjacent numbers came one after the other. Older entries have none",
        ),
    ),
)
UNMATCHED = Form(
    "Unmatched",
    "unmatched",
    "A label or a retrain event that could not be used. Reasons: those of a rejection, and `no_record` for a "
    "label whose record never came.",
    (
        VERSION,
        Field("record", "text", "entry id of the label or event"),
        Field("id", "text", "id of the record that a label is of, where it can be read"),
        Field("reason", "text", "why"),
        Field("detail", "text", "one sentence"),
        Field(
            "entry", "msgpack list of bytes", "fields and values as they came, of a block those that are concerned"
        ),
        Field("source", "`labels`, `retrain`", "stream that it came by"),
        _TS,
    ),
)
PROMOTION = Form(
    "Promotion",
    "promotions",
    "A change of production.",
    (
        VERSION,
        Field("run_id", "text", "run that is in production from here on"),
        Field("previous", "text", "run that was before; empty: none"),
        Field("epoch", "whole number", "how many changes there were, this one included"),
        Field("reason", "text", "a sentence of the rule, or a person's word"),
        _TS,
        Field(
            "decision",
            "JSON",
            "[record of the decision](../promotion.md#the-decision), about 10 KB where the rule decided; else "
            "`own` alone, or nothing. In `own`, [figures](#ownfigures) on the rows that the run held out",
        ),
    ),
)
CONFIG = Form(
    "Config",
    "config",
    "Made by the first service to start, adopted or checked by the rest.",
    (
        Field("version", "whole number", "of what the services share: 1"),
        Field("partitions", "whole number", "how many there are"),
        Field(
            "partition_tags", "text", "their hash tags, joined by commas; empty: `PIPELINE:0`, `PIPELINE:1`, ..."
        ),
        Field("required_groups", "text", "groups without whose progress nothing is trimmed, joined by commas"),
        Field("records_keep_ms", "whole number", "see [settings](../settings.md#how-long-they-are-kept)"),
        Field("records_keep_bytes", "whole number", "likewise"),
    ),
)
PRODUCTION = Form(
    "Production",
    "production",
    "The production pointer.",
    (
        Field("run_id", "text", "run in production"),
        Field("previous", "text", "run before it; empty: none"),
        Field("epoch", "whole number", "how often production changed; promotions compare it"),
        Field("updated_ts_ms", "whole number", "when it last did, by the server's clock"),
        Field(
            "attempt",
            "text",
            "drift event that was last answered without replacing this production, "
            "labelled rows there were and tests made for it so far: `<event id> <rows> <tests>`",
        ),
    ),
)
MONITOR = Form(
    "Monitor",
    "monitor",
    "The monitor's position and state.",
    (
        Field("window", "whole number", "number of the last window that was closed"),
        Field("state", "bytes", "the monitor's own, with its version"),
        Field("incarnation", "text", "random, made with the hash: a state that was begun anew is another one"),
        Field("episode", "whole number", "window that opened the episode, while one is open"),
        Field("asked", "text", "event that monitor or webhook wrote last: id, episode or `-`, model"),
        Field(
            "starts, trying, suspect, deaths",
            "whole numbers and ids",
            "for a while after a start: what finds an entry that kills monitors",
        ),
    ),
)


def forms() -> list[Form]:
    """All of them, in the order of a record's way."""
    return [
        PLAIN_RECORD,
        BLOCK,
        PLAIN_PREDICTION,
        BLOCK_PREDICTION,
        REJECTION,
        LABEL,
        LABEL_BLOCK,
        SAMPLE,
        UNMATCHED,
        _of_struct("Drift window", "drift", "One closed window; nothing in it depends on a clock.", DriftWindow),
        _of_struct(
            "Retrain event", "retrain", "A request to train anew; after an alarm, with what it says.", RetrainEvent
        ),
        PROMOTION,
        _decision(),
        CONFIG,
        PRODUCTION,
        MONITOR,
    ]


def _of_struct(title: str, key: str, words: str, struct: type[msgspec.Struct]) -> Form:
    """What ``core.fields`` writes of a struct: lists, maps and objects as JSON, nothing of what is None."""
    return Form(title, key, words, (VERSION, *struct_fields(struct)))


def _decision() -> Form:
    fields = {field.name: field for field in struct_fields(DecisionEntry)}
    del fields["entry_id"], fields["ts_ms"]
    return Form(
        "Decision not to promote",
        "decisions",
        "What left production as it was: the answer to a retrain event, or to a command. That of an event is "
        "there once; a command's may be there twice, equal in all but `ts`.",
        (VERSION, *fields.values(), _TS),
    )
