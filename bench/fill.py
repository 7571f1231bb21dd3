"""Fill a stream on the server itself: a few entries are sent once, a script adds them again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.table import make_rows
from core.connection import Connection
from core.model_file import ModelFile
from core.record_encoder import encode_block, encode_plain

#: Different entries that a stream is made of.
_DIFFERENT = 64
#: Entries added in one call: the server answers nobody else meanwhile.
_CALL_ENTRIES = 2_000
#: Where those lie.
_TEMPLATE = "bench:template"
#: Where entries are added for the sake of their memory.
_WARM_UP = "bench:warm"
#: A record and its answer take up to three times the memory of the record.
_WARM_UP_TIMES = 3

_ADD = """
local entries = redis.call('XRANGE', KEYS[2], '-', '+')
for i = 0, tonumber(ARGV[1]) - 1 do redis.call('XADD', KEYS[1], '*', unpack(entries[i % #entries + 1][2])) end
"""
_TOP_UP = """
local unread = redis.call('XLEN', KEYS[1])
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local facts = {}
  for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
  if facts.name == ARGV[1] and facts.lag then unread = facts.lag end
end
local missing = math.min(tonumber(ARGV[2]) - unread, tonumber(ARGV[3]))
if missing <= 0 then return 0 end
local entries = redis.call('XRANGE', KEYS[2], '-', '+')
for i = 0, missing - 1 do redis.call('XADD', KEYS[1], '*', unpack(entries[i % #entries + 1][2])) end
return missing
"""


class Fill:
    """Records of one form for one stream.

    Parameters
    ----------
    stream
        Where they go.
    model
        Whose features they have.
    rows
        Rows of a block; 0 is plain records.
    """

    def __init__(self, connection: Connection, stream: str, model: ModelFile, rows: int, seed: int) -> None:
        self._connection = connection
        self._stream = stream
        entries = make_entries(model, rows, seed)
        connection.call("DEL", _TEMPLATE)
        connection.pipeline([("XADD", _TEMPLATE, "*", *fields) for fields in entries])

    def add(self, entries: int) -> None:
        """Add so many entries."""
        self._add(self._stream, entries)

    def warm(self, entries: int) -> None:
        """Let the server take and give back the memory for so many entries and their answers.

        Memory that the server never had costs it a page fault every 4 KiB, which has halved the speed of a bare
        loop; who pays would depend on the order of the measurements. What it gave back it keeps for some seconds.
        """
        self._add(_WARM_UP, _WARM_UP_TIMES * entries)
        self._connection.call("DEL", _WARM_UP)

    def _add(self, stream: str, entries: int) -> None:
        for start in range(0, entries, _CALL_ENTRIES):
            count = min(_CALL_ENTRIES, entries - start)
            self._connection.call("EVAL", _ADD, 2, stream, _TEMPLATE, count)

    def top_up(self, group: str, unread: int) -> int:
        """Add what is missing to so many unread entries, some at a time; returns how many were added."""
        return int(
            self._connection.call("EVAL", _TOP_UP, 2, self._stream, _TEMPLATE, group, unread, _CALL_ENTRIES)
        )


def make_entries(model: ModelFile, rows: int, seed: int, count: int = _DIFFERENT) -> Sequence[list[bytes]]:
    """Fields of ``count`` records: blocks of ``rows`` rows, or plain ones for 0."""
    schema, per_entry = model.model.schema, max(1, rows)
    x = make_rows(count * per_entry, seed, schema.width)
    if rows:
        return [encode_block(x[at : at + rows], schema) for at in range(0, len(x), rows)]
    return [encode_plain(dict(zip(schema.features, row, strict=True))) for row in np.asarray(x).tolist()]
