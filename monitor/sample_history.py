"""The sampled rows of closed windows, read back from the samples stream."""

from __future__ import annotations

from collections.abc import Iterator

from core.connection import Connection
from core.entry import Entry, entries_of
from core.keys import PipelineKeys
from core.read_size import ReadSize
from core.sample_block import SampleBlock, decode_sample_block


class SampleHistory:
    """Reads the samples stream backwards, a bounded reply at a time."""

    def __init__(self, connection: Connection, keys: PipelineKeys, read_bytes: int) -> None:
        self._connection = connection
        self._stream = keys.samples
        self._read_bytes = read_bytes

    def newest(self, window: int, behind: int) -> Iterator[SampleBlock]:
        """The blocks of windows ``behind + 1`` to ``window``, newest first; the caller knows how many it needs.

        Newer ones are of a monitor that is ahead and are passed over, as is what no monitor wrote. Behind a lost
        state the windows were counted anew, and the caller needs no row of before.
        """
        if window <= behind:
            return
        for entry in self._backwards():
            try:
                block = decode_sample_block(entry)
            except (KeyError, ValueError):  # nothing that a monitor wrote
                continue
            if not block.is_plausible:
                continue
            if block.window <= behind:
                return
            if block.window <= window:
                yield block

    def _backwards(self) -> Iterator[Entry]:
        size, before = ReadSize(self._read_bytes), b"+"
        while True:
            count = size.entries
            entries = entries_of(self._connection.call("XREVRANGE", self._stream, before, "-", "COUNT", count))
            size.learn(entries)
            yield from entries
            if len(entries) < count:
                return
            before = b"(" + entries[-1].id
