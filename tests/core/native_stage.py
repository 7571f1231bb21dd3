"""Entries that are pending, and a channel on which their results are committed natively."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from core.channel import Channel
from core.connection import Connection
from core.entry import field_map
from core.keys import PartitionKeys
from core.scripts.commit import CommitCall, Committed
from core.scripts.native_commit import MIN_RESULT_BYTES, NativeCommits
from tests.core.alike_results import GROUP, alike, entries, pending, pending_entries


@dataclass
class Native:
    """What a lane has of it."""

    channel: Channel
    commits: NativeCommits

    def commit(self, call: CommitCall) -> Committed:
        self.commits.submit(call)
        return self.commits.collect(call)


@dataclass
class Stage:
    """One partition with pending entries."""

    server: Connection
    partition: PartitionKeys
    ids: list[bytes]

    @property
    def call(self) -> CommitCall:
        """The results of all entries."""
        return self.call_for(self.ids)

    @property
    def large_call(self) -> CommitCall:
        """The same with results that are large enough to be taken."""
        results = alike(self.ids, b"values")
        column = np.zeros((len(self.ids), MIN_RESULT_BYTES), np.uint8)
        outputs = (self.partition.predictions, self.partition.rejected)
        return CommitCall(self.partition.records, GROUP, "w", outputs, replace(results, values=[column, column]))

    def call_for(self, ids: list[bytes]) -> CommitCall:
        outputs = (self.partition.predictions, self.partition.rejected)
        return CommitCall(self.partition.records, GROUP, "w", outputs, alike(ids, b"values"))

    @contextmanager
    def native(self, connection: Connection | None = None) -> Iterator[Native]:
        """Native commits, by another user or another way if so wanted."""
        connection = connection or self.server
        with connection.channel(self.partition.records) as channel:
            yield Native(channel, NativeCommits(connection, channel, (self.partition,), GROUP, "w"))

    def by_script(self) -> Committed:
        """What a lane does about results whose commit failed, or whose outcome it does not know."""
        with self.server.channel(self.partition.records) as channel:
            self.call.submit(channel, with_text=True)
            return self.call.collect(channel)

    def answered(self) -> list[bytes]:
        """The record of each result, in the order of publication."""
        return [
            field_map(entry.fields)[b"record"]
            for entry in entries(self.server, self.partition.predictions)
            if b"record" in field_map(entry.fields)
        ]

    def pending(self) -> list[bytes]:
        return [row[0] for row in pending(self.server, self.partition.records)]

    def remembered(self) -> bool:
        """Whether anything is left of the steps of a commit."""
        return bool(self.server.call("EXISTS", self.partition.commit))

    def assert_untouched(self) -> None:
        """All entries are pending as they were, and no result is to be seen."""
        assert pending(self.server, self.partition.records) == [(entry_id, b"w", 1) for entry_id in self.ids]
        assert self.answered() == []
        assert not self.remembered()

    def assert_one_result_each(self) -> None:
        assert Counter(self.answered()) == Counter(self.ids)
        assert self.pending() == []
        assert not self.remembered()


def set_up(server: Connection, partition: PartitionKeys, count: int = 7) -> Stage:
    """A partition with so many entries that are pending."""
    return Stage(server, partition, pending_entries(server, partition.records, count))
