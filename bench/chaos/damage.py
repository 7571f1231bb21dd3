"""Damage to keys that a hand could do, and its mending: wrong types, used-up ids, garbage in hashes."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.chaos.garbage import ODD_TEXTS, Fields, marked
from bench.chaos.server import RawClient
from core.keys import PipelineKeys

#: Puts a field back unless somebody has written it meanwhile. KEYS: hash. ARGV: field, garbage, what was there.
_MEND = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[4] == 'absent' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""
#: Puts a key aside and a text in its place, in one step; 0 where there is no such key.
_ASIDE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
_BACK = """
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
"""
#: Uses up the ids of a stream, so that each XADD with * is refused; returns its last id until then, or nothing.
_EXHAUST = """
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return false end
local info, last = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then last = info[i + 1] end
end
redis.call('XSETID', KEYS[1], '18446744073709551615-18446744073709551615')
return last
"""
#: Fields worth damaging, by the hash's name in ``PipelineKeys``. A plausible number in config is no garbage, it is
#: another config; so those get texts that are none.
_FIELDS: dict[str, tuple[str, ...]] = {
    "config": ("version", "partitions", "required_groups", "records_keep_ms", "records_keep_bytes", "junk"),
    "production": ("run_id", "previous", "epoch", "updated_ts_ms", "attempt", "junk"),
    "monitor": ("window", "state", "starts", "trying", "suspect", "deaths", "junk"),
    "models": ("<production>", "<production>:sha256", "junk"),
}
#: No count, and no version that there is.
_NO_COUNTS = tuple(text for text in ODD_TEXTS if not (text.isdigit() and text != b"0"))

Mend = Callable[[], None]


class Damage:
    """Does damage on request; each damage is returned as what mends it."""

    def __init__(self, client: RawClient, keys: PipelineKeys, partitions: int) -> None:
        self._client = client
        self._keys = keys
        parts = [keys.partition(number) for number in range(partitions)]
        self._results = [key for part in parts for key in (part.predictions, part.rejected)]
        self._of_partitions = [
            key for part in parts for key in (part.records, part.predictions, part.rejected, part.floor)
        ]
        self._named = {
            name: getattr(keys, name)
            for name in (*_FIELDS, "labels", "samples", "unmatched", "drift", "retrain", "promotions", "decisions")
        }
        self._hurt: set[str] = set()

    @property
    def config_is_hurt(self) -> bool:
        """Whether what all services agree on is damaged."""
        return self._keys.config in self._hurt

    def wrong_type(self, dice: random.Random) -> tuple[str, Mend] | None:
        """Rename a key aside and put a text in its place; None where all are hurt already."""
        keys = [key for key in (*self._of_partitions, *self._named.values()) if key not in self._hurt]
        while keys:
            key = keys.pop(dice.randrange(len(keys)))
            if self._insist(_ASIDE, (key, f"{key}:aside"), dice.choice(ODD_TEXTS)):
                self._hurt.add(key)
                return f"{key} is a text", partial(self._back, key)
        return None

    def exhausted(self, dice: random.Random) -> tuple[str, Mend] | None:
        """Use up the ids of a stream that services write to; None where all are hurt already, or not there yet."""
        streams = [*self._results, *(self._named[name] for name in ("drift", "samples"))]
        keys = [key for key in streams if key not in self._hurt]
        while keys:
            key = keys.pop(dice.randrange(len(keys)))
            last = self._insist(_EXHAUST, (key,))
            if last is not None:
                self._hurt.add(key)
                return f"{key} has used up its ids", partial(self._set_last_id, key, last)
        return None

    def garbage_in_hash(self, dice: random.Random) -> tuple[str, Mend] | None:
        """Overwrite one field of a hash; None where all hashes are hurt already."""
        names = [name for name in _FIELDS if self._named[name] not in self._hurt]
        if not names:
            return None
        name = dice.choice(names)
        key = self._named[name]
        field = dice.choice(_FIELDS[name]).replace("<production>", self._production())
        before = self._client.insist("HGET", key, field)
        garbage = dice.choice(_NO_COUNTS if name == "config" else ODD_TEXTS)
        if before is None and field not in {"junk", "starts", "trying", "suspect", "deaths", "attempt"}:
            return None  # the hash is not there yet
        self._hurt.add(key)
        self._client.insist("HSET", key, field, garbage)

        def mend() -> None:
            self._insist(_MEND, (key,), field, garbage, before or b"", "absent" if before is None else "there")
            self._hurt.discard(key)

        return f"{key} {field} = {garbage[:30]!r}", mend

    def stray(self, name: str, fields: Fields, partition: int) -> str:
        """Append a garbage entry to a stream; what was done."""
        if name in {"predictions", "rejected"}:
            key = getattr(self._keys.partition(partition), name)
        else:
            key = self._named[name]
        if key in self._hurt:
            return f"{key} left alone, it is hurt"
        entry_id = self._client.insist("XADD", key, "*", *marked(fields))
        return f"{key} {entry_id.decode()} {fields[:4]!r}"[:160]

    def unhurt_records(self, partition: int) -> str | None:
        """The records stream of a partition, unless it is aside."""
        key = self._keys.partition(partition).records
        return None if key in self._hurt else key

    def _back(self, key: str) -> None:
        self._insist(_BACK, (key, f"{key}:aside"))
        self._hurt.discard(key)

    def _set_last_id(self, key: str, last: bytes) -> None:
        self._client.insist("XSETID", key, last)
        self._hurt.discard(key)

    def _production(self) -> str:
        run_id = self._client.insist("HGET", self._keys.production, "run_id") or b"none"
        return str(run_id.decode(errors="replace"))

    def _insist(self, script: str, keys: tuple[str, ...], *arguments: bytes | str) -> Any:
        return self._client.insist("EVAL", script, len(keys), *keys, *arguments)
