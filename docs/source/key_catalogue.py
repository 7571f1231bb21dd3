"""Every key: its type, who writes and who reads it, how long it is kept. Names and purposes are core.keys' own."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from core import retention
from core.keys import PartitionKeys, PipelineKeys, ShadowKeys
from core.pipeline_config import DEFAULTS
from core.scripts.ask_retraining import REMEMBERED_MS
from core.scripts.publish import SEQUENCE_KEPT_S
from docs.source.markdown import code, table
from docs.source.quantity import kept_in_words, ms_in_words
from docs.source.structs import in_markdown

_RECORDS = kept_in_words((DEFAULTS["records_keep_ms"], DEFAULTS["records_keep_bytes"]))
_RUN = "RUN"


class Key(NamedTuple):
    """A key of a pipeline, of a partition or of a partition's shadow."""

    name: str  #: of the property or method of core.keys
    kind: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    kept: str = ""  #: by default


#: Beside services: ``commands`` are those of streamgauge, ``readers`` whoever reads results.
OF_PARTITION = (
    Key(
        "records",
        "stream",
        ("producer", "commands"),
        ("scorer", "shadow", "monitor"),
        f"{_RECORDS}, never past what is unread",
    ),
    Key(
        "predictions",
        "stream",
        ("scorer",),
        ("monitor", "commands", "readers"),
        f"{_RECORDS}, never past what scorers still need",
    ),
    Key(
        "rejected",
        "stream",
        ("scorer",),
        ("monitor", "commands"),
        f"{kept_in_words(retention.REJECTED)}, likewise",
    ),
    Key("producer", "string", ("producer", "commands"), ("producer", "commands"), f"{SEQUENCE_KEPT_S // 3600} h"),
    Key("floor", "string", ("scorer",), ("scorer",)),
    Key("commit", "string", ("scorer",), ("scorer",), "within one transaction"),
)
OF_SHADOW = (
    Key("predictions", "stream", ("shadow",), ("commands",), "as predictions; a day after the shadow's end"),
    Key("rejected", "stream", ("shadow",), ("commands",), "likewise"),
    Key("start", "hash", ("shadow",), ("commands",), "likewise"),
    Key("commit", "string", ("shadow",), ("shadow",), "within one transaction"),
)
OF_PIPELINE = (
    Key("config", "hash", ("producer", "scorer", "monitor", "trainer", "commands"), ("shadow", "readers")),
    Key("labels", "stream", ("producer",), ("monitor", "trainer", "commands"), kept_in_words(retention.LABELS)),
    Key("samples", "stream", ("monitor",), ("trainer", "commands"), kept_in_words(retention.SAMPLES)),
    Key("unmatched", "stream", ("trainer",), ("commands",), kept_in_words(retention.UNMATCHED)),
    Key("monitor", "hash", ("monitor",), ("monitor", "commands")),
    Key("drift", "stream", ("monitor",), ("monitor", "trainer", "commands"), ms_in_words(retention.DRIFT[0])),
    Key("retrain", "stream", ("monitor", "trainer", "commands"), ("monitor", "trainer"), "kept"),
    Key("alert", "string", ("monitor",), ("monitor",), f"{ms_in_words(REMEMBERED_MS)} after it was last told"),
    Key("promotions", "stream", ("trainer", "commands"), ("scorer", "monitor", "commands"), "kept"),
    Key(
        "decisions", "stream", ("trainer", "commands"), ("monitor", "commands"), kept_in_words(retention.DECISIONS)
    ),
    Key(
        "models",
        "hash",
        ("trainer", "commands"),
        ("producer", "scorer", "shadow", "monitor", "readers"),
        f"production, previous, newest {retention.MODELS}",
    ),
    Key("production", "hash", ("trainer", "commands"), ("producer", "scorer", "shadow", "monitor", "readers")),
    Key("shadows", "hash", ("commands",), ("shadow",), "until `streamgauge shadow RUN --end`"),
)
_PLACES = (
    (PartitionKeys, PartitionKeys("PIPELINE:P", 0), OF_PARTITION),
    (ShadowKeys, ShadowKeys("PIPELINE:P", 0, _RUN), OF_SHADOW),
    (PipelineKeys, PipelineKeys("PIPELINE"), OF_PIPELINE),
)
#: Keys that have a name and are never there.
_NEVER_WRITTEN = {(ShadowKeys, "floor")}
#: What stands for the arguments of the keys that take some.
_ARGUMENTS = {"producer": ("<producer>",), "alert": ("<fingerprint>", "<start in ms>")}


def keys_table() -> str:
    """All keys."""
    return table(
        ("key", "type", "what", "written by", "read by", "kept by default"),
        [
            (code(pattern), key.kind, words, ", ".join(key.writers), ", ".join(key.readers), key.kept)
            for pattern, words, key in listed_keys()
        ],
    )


def listed_keys() -> list[tuple[str, str, Key]]:
    """Pattern, purpose and facts of each."""
    return [
        (_pattern(keys, key.name), _purpose(kind, key.name), key)
        for kind, keys, listed in _PLACES
        for key in listed
    ]


def names_in_code() -> list[str]:
    """The properties and methods of core.keys that give a key, a name for each class that has it."""
    names = []
    for kind in (PartitionKeys, ShadowKeys, PipelineKeys):
        for name, member in vars(kind).items():
            made = member.fget if isinstance(member, property) else member
            if (kind, name) in _NEVER_WRITTEN:
                continue
            if not name.startswith("_") and inspect.isfunction(made) and made.__annotations__["return"] == "str":
                names.append(f"{kind.__name__}.{name}")
    return names


def listed_names() -> list[str]:
    """The same of what is listed here."""
    return [f"{kind.__name__}.{key.name}" for kind, _, listed in _PLACES for key in listed]


def _pattern(keys: PartitionKeys | PipelineKeys, name: str) -> str:
    made = getattr(keys, name)
    return str(made if isinstance(made, str) else made(*_ARGUMENTS[name]))


def _purpose(kind: type, name: str) -> str:
    return in_markdown(" ".join((inspect.getdoc(vars(kind)[name]) or "").split())).rstrip(".")
