"""Results of the same shape for entries that are pending, and what a commit makes of them."""

from __future__ import annotations

import msgspec
import numpy as np

from core.byte_columns import Bytes
from core.connection import Connection
from core.entry import Entry, entries_of
from core.scripts.commit import AlikeResults

GROUP = "g"
MAX_ID = "18446744073709551615-18446744073709551615"


def pending_entries(server: Connection, source: str, count: int) -> list[bytes]:
    """Entries that were added and handed to a consumer."""
    server.call("XGROUP", "CREATE", source, GROUP, "0", "MKSTREAM")
    ids = [bytes(reply) for reply in server.pipeline([("XADD", source, "*", "n", n) for n in range(count)])]
    server.call("XREADGROUP", "GROUP", GROUP, "w", "COUNT", count, "STREAMS", source, ">")
    return ids


def pending(server: Connection, source: str) -> list[tuple[bytes, bytes, int]]:
    """Id, consumer, delivery count."""
    return [(row[0], row[1], row[3]) for row in server.call("XPENDING", source, GROUP, "-", "+", 10_000)]


def entries(server: Connection, stream: str) -> list[Entry]:
    return entries_of(server.call("XRANGE", stream, "-", "+"))


def alike(ids: list[bytes], form: bytes) -> AlikeResults:
    """Results whose second and third values differ, in one of the forms that the script takes."""
    texts = [text for n in range(len(ids)) for text in (f"r{n:03}", f"{n % 3}")]
    values: bytes | list[Bytes]
    if form == b"texts":
        values = msgspec.msgpack.encode(texts)
    elif form == b"values":
        values = [_column(texts[::2]), _column(texts[1::2])]
    else:
        values = "".join(texts).encode()
    fields = [b"id", b"", b"record", b"", b"p", b"", b"model", b"m"]
    return AlikeResults(ids, 1, fields, (2, 6), 4, form, values)


def written(ids: list[bytes]) -> list[list[bytes]]:
    """What is written of them, without the time."""
    return [
        [b"id", b"r%03d" % n, b"record", entry_id, b"p", b"%d" % (n % 3), b"model", b"m"]
        for n, entry_id in enumerate(ids)
    ]


def _column(texts: list[str]) -> Bytes:
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1)
