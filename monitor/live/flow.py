"""Types of the first part of the live state: what flows, who works on it, and what is refused."""

from __future__ import annotations

from typing import Literal

import msgspec

#: ``working``: heard of within the last seconds; ``silent``: not; ``left``: it was there before and has gone.
Presence = Literal["working", "silent", "left"]


class GroupBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """What one group of the records streams has still to do, over all partitions."""

    group: str  #: its name
    not_read_entries: int  #: not handed out yet
    pending_entries: int  #: handed out, not acknowledged
    oldest_s: float  #: age of the oldest entry of these; 0 where there is none
    required: bool  #: nothing is trimmed that it has not done
    open_window: bool  #: its entries are those of the window that is open: the monitor's


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A process that takes entries."""

    name: str  #: its consumer's name
    service: Literal["scorer", "trainer"]  #: what it is
    state: Presence  #: whether it was heard of within the last seconds
    seen_s: float  #: since the server last heard of it
    pending_entries: int  #: handed out to it, not acknowledged


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A recent rejection."""

    ts_ms: int | None  #: when
    reason: str  #: its code
    detail: str  #: one sentence
    record: str  #: entry id of what was refused
    id: str | None  #: id of the record, where it is readable and it was one record


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What flows, who works on it, and what is refused. Rates are those of about the last 5 s."""

    records_per_s: float | None = None  #: rows pushed; None: not known before the second look
    predictions_per_s: float | None = None  #: rows answered
    rejections_per_s: float | None = None  #: rows refused
    estimated: bool = False  #: entries are blocks of differing size; rows per entry are those of the newest ones
    backlog_records: float = 0.0  #: rows that scorers have not answered
    backlog_age_s: float = 0.0  #: age of the oldest of them
    partitions: int = 0  #: of the records stream
    groups: list[GroupBacklog] = []  #: all groups of the records streams
    workers: list[WorkerView] = []  #: scorers and trainers, those that left for a while too
    monitor_behind_s: float = 0.0  #: since when records wait that an open window cannot explain; 0: it keeps up
    rejected_total: int = 0  #: entries ever refused
    rejected_reasons: dict[str, int] = {}  #: rows by reason among the newest 100 entries
    rejected_newest: list[Refused] = []  #: at most 5, newest first
