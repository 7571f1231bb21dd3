"""Everything that a release of streamgauge left on its server, and how it is put back on another one.

A recording holds each key of a pipeline as the server returned it: ``NAME.json.gz`` beside this file, written by
``record.py``. Its server's clock stood two years back, so that every entry is old enough to be trimmed by time.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import msgspec

from core.connection import Connection
from core.entry import Entry
from core.keys import PipelineKeys

#: Name of the pipeline in every recording.
RECORDED = PipelineKeys("recorded")
_DIRECTORY = Path(__file__).parent
#: Recordings, by the commit whose services wrote them.
RELEASES = tuple(sorted(path.name.removesuffix(".json.gz") for path in _DIRECTORY.glob("*.json.gz")))


class Group(msgspec.Struct, frozen=True):
    """A consumer group, and what it was handed and did not acknowledge."""

    name: bytes
    last_delivered: bytes
    entries_read: int | None
    pending: list[tuple[bytes, bytes]]  #: entry id, consumer


class Stream(msgspec.Struct, frozen=True, tag="stream"):
    """A stream's entries, id and fields, in order."""

    entries: list[tuple[bytes, list[bytes]]]
    groups: list[Group]


class Hash(msgspec.Struct, frozen=True, tag="hash"):
    """A hash's fields and values in turn."""

    fields: list[bytes]


class Text(msgspec.Struct, frozen=True, tag="string"):
    """A string."""

    value: bytes


class Recording(msgspec.Struct, frozen=True):
    """Every key of one pipeline; bytes are base64 in the file."""

    keys: dict[str, Stream | Hash | Text]

    def entries(self, key: str) -> list[Entry]:
        """The entries of a stream of the recorded pipeline."""
        stream = self.keys[key]
        assert isinstance(stream, Stream)
        return [Entry(*each) for each in stream.entries]

    def replay(self, connection: Connection, keys: PipelineKeys) -> None:
        """Put everything under the names of another pipeline."""
        for name, value in self.keys.items():
            key = name.replace(RECORDED.pipeline, keys.pipeline, 1)
            if isinstance(value, Stream):
                _replay_stream(connection, key, value)
            elif isinstance(value, Hash):
                connection.call("HSET", key, *value.fields)
            else:
                connection.call("SET", key, value.value)


@cache
def recording(release: str) -> Recording:
    """The recording of one of :data:`RELEASES`."""
    text = gzip.decompress((_DIRECTORY / f"{release}.json.gz").read_bytes())
    return msgspec.json.decode(text, type=Recording)


def _replay_stream(connection: Connection, key: str, stream: Stream) -> None:
    for entry_id, fields in stream.entries:
        connection.call("XADD", key, entry_id, *fields)
    for group in stream.groups:
        read = () if group.entries_read is None else ("ENTRIESREAD", group.entries_read)
        connection.call("XGROUP", "CREATE", key, group.name, group.last_delivered, "MKSTREAM", *read)
        for entry_id, consumer in group.pending:
            connection.call("XCLAIM", key, group.name, consumer, 0, entry_id, "FORCE", "JUSTID")
