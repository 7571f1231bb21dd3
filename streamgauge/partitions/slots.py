"""Hash slots of a cluster: which master holds them, and tags that reach every master."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from redis.crc import key_slot

from core.connection import Connection, ServerError
from core.errors import SettingsError

#: How many slots a cluster has.
SLOTS = 16_384
#: Partitions that are made at once; more than a cluster has masters.
MOST_PARTITIONS = 1_000
#: Tags that are tried for one partition; each hits a given master of ten with one in ten.
MOST_TRIED = 100_000


class Master(NamedTuple):
    """A master and the slots that it holds."""

    address: str
    ranges: tuple[tuple[int, int], ...]  #: first and last slot of each range

    def holds(self, slot: int) -> bool:
        """Whether a slot is its own."""
        return any(first <= slot <= last for first, last in self.ranges)


def slot_of(tag: str) -> int:
    """The slot of every key with this hash tag."""
    return int(key_slot(tag.encode()))


def live_masters(connection: Connection) -> list[Master]:
    """The masters of a cluster with their slots; none where the server is no cluster, or does not tell."""
    try:
        reply = connection.each_server()[0]("CLUSTER", "SLOTS")
    except ServerError:
        return []
    ranges: dict[str, list[tuple[int, int]]] = {}
    for first, last, master, *_ in reply:
        address = f"{bytes(master[0]).decode(errors='replace')}:{int(master[1])}"
        ranges.setdefault(address, []).append((int(first), int(last)))
    return [Master(address, tuple(held)) for address, held in sorted(ranges.items())]


def even_masters(count: int) -> list[Master]:
    """The masters of a new cluster, which splits the slots evenly and in order.

    >>> [master.ranges for master in even_masters(3)]
    [((0, 5460),), ((5461, 10922),), ((10923, 16383),)]

    Raises
    ------
    SettingsError
        A count that no cluster has.
    """
    if not 1 <= count <= 1_000:
        raise SettingsError(f"--masters is {count}; choose 1 to 1000")
    width = SLOTS / count
    ends = [round((number + 1) * width - 1) for number in range(count)]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return [
        Master(f"master {number + 1}", ((start, end),))
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def checked_count(count: int) -> int:
    """The number of partitions, if a pipeline can have so many. Raises SettingsError."""
    if not 1 <= count <= MOST_PARTITIONS:
        raise SettingsError(f"--partitions is {count}; choose 1 to {MOST_PARTITIONS}")
    return count


def propose_tags(pipeline: str, count: int, masters: Sequence[Master]) -> tuple[str, ...]:
    """One tag a partition, so that no master has more than one partition more than another.

    A partition keeps ``PIPELINE:P`` where that fits; else the smallest ``PIPELINE:P.k`` that does.

    >>> propose_tags("prod", 6, even_masters(3))[4:]
    ('prod:4', 'prod:5.1')

    Raises
    ------
    SettingsError
        A count that cannot be, or a master so small that no tag was found.
    """
    checked_count(count)
    loads = [0] * len(masters)
    larger = count % len(masters)  # so many masters have one partition more
    most = count // len(masters)
    tags = []
    for number in range(count):
        for suffix in range(MOST_TRIED):
            tag = f"{pipeline}:{number}" + (f".{suffix}" if suffix else "")
            holder = next((index for index, master in enumerate(masters) if master.holds(slot_of(tag))), None)
            if holder is not None and loads[holder] < most + (larger > 0):
                break
        else:
            raise SettingsError("no tag reaches each master; give every master slots first")
        larger -= loads[holder] == most
        loads[holder] += 1
        tags.append(tag)
    return tuple(tags)
