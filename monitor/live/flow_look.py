"""Follows what flows: rates, backlog, workers, rejections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from core.connection import Connection, ServerError
from core.entry import field_map, parse_entry_id
from core.keys import MONITORS, SCORERS, TRAINERS, PipelineKeys
from core.pipeline_config import PipelineConfig
from core.settings import Settings
from monitor.live.flow import Flow, GroupBacklog
from monitor.live.partition_look import ConsumerLook, GroupLook, PartitionLook, look_at_partitions
from monitor.live.rate import StreamRate, total_per_s
from monitor.live.rejections import Rejections
from monitor.live.text import shown
from monitor.live.workers import Workers

#: Most groups that are told.
MOST_GROUPS = 20
#: A monitor reads, tests and writes in steps of up to about so long; to be behind by less is to keep up.
READING_S = 1.0
#: Most consumers of the trainers' groups that are looked at.
MOST_TRAINERS = 64


class _PartitionRates:
    """Rates of one partition."""

    def __init__(self) -> None:
        self.records, self.predictions, self.rejected = StreamRate(), StreamRate(), StreamRate()

    def look(self, look: PartitionLook) -> None:
        self.records.look(look.now_ms, look.records)
        self.predictions.look(look.now_ms, look.predictions)
        self.rejected.look(look.now_ms, look.rejected)


class FlowLook:
    """Looks at what flows; :attr:`looks` are those of the last time, in the order of the partitions."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._keys: PipelineKeys = settings.keys
        self._rates: dict[int, _PartitionRates] = {}
        self._workers = Workers()
        self._rejections = Rejections()
        self.looks: list[PartitionLook] = []

    @property
    def prediction_rows(self) -> list[float]:
        """Rows of an entry of predictions, by partition."""
        return [self._rates[look.number].predictions.rows_per_entry for look in self.looks]

    def look(self, config: PipelineConfig) -> Flow:
        """What flows now."""
        before = {look.number: look for look in self.looks}
        self.looks = looks = look_at_partitions(self._connection, config.partitions, before)
        for look in looks:
            self._rates.setdefault(look.number, _PartitionRates()).look(look)
        self._rejections.look(self._connection, config.partitions, looks)
        rates = [self._rates[look.number] for look in looks]
        scoring = [group for look in looks for group in look.groups if group.name == SCORERS]
        now_ms = max(look.now_ms for look in looks)
        backlog = sum(
            (group.not_read + group.pending) * self._rates[look.number].records.rows_per_entry
            for look in looks
            for group in look.groups
            if group.name == SCORERS
        )
        records_per_s = total_per_s([rate.records for rate in rates])
        entries_per_s = sum((rate.records.per_s or 0.0) / rate.records.rows_per_entry for rate in rates)
        return Flow(
            records_per_s=records_per_s,
            predictions_per_s=total_per_s([rate.predictions for rate in rates]),
            rejections_per_s=total_per_s([rate.rejected for rate in rates]),
            estimated=any(rate.records.mixed or rate.predictions.mixed for rate in rates),
            backlog_records=float(backlog),
            backlog_age_s=_oldest_s(looks, SCORERS),
            partitions=len(looks),
            groups=_groups(looks, config.required_groups),
            workers=self._workers.look(
                now_ms,
                chain.from_iterable(look.scorers for look in looks),
                self._trainers(),
                waiting_ms=round(1000 * _oldest_s(looks, SCORERS)) if any(one.not_read for one in scoring) else 0,
                entries_per_s=entries_per_s or None,
            ),
            monitor_behind_s=self._monitor_behind_s(looks),
            rejected_total=sum(look.rejected.added for look in looks),
            rejected_reasons=self._rejections.reasons,
            rejected_newest=self._rejections.newest,
        )

    def _monitor_behind_s(self, looks: Sequence[PartitionLook]) -> float:
        """Since when records wait for the monitor, less those that may be in the window that is open.

        What a monitor has read of an open window stands nowhere but in itself. So as many of the oldest rows as a
        window holds count as read, and a block of each partition that goes beyond, until the window's time is
        over. The rows behind them are taken to have come evenly.
        """
        unread = held = 0.0
        oldest_ms = [0]
        for look in looks:
            rows = self._rates[look.number].records.rows_per_entry
            held += rows if rows > 1 else 0
            group = next((each for each in look.groups if each.name == MONITORS), None)
            if group is not None:
                unread += rows * group.not_read
                oldest_ms.append(_age_ms(look, group))
            elif look.records.length:  # no monitor has ever been here
                unread += rows * look.records.length
                oldest_ms.append(look.now_ms - parse_entry_id(look.records.first).ms)
        age_s = max(oldest_ms) / 1000
        late = max(0.0, 1 - (self._settings.slide + held) / unread) if unread else 0.0
        behind_s = max(age_s * late, age_s - self._settings.window_limit_s)
        return behind_s if behind_s > READING_S else 0.0

    def _trainers(self) -> list[ConsumerLook]:
        """Consumers of the trainers' groups; without a stream or a group there are none."""
        streams = (self._keys.retrain, self._keys.labels)
        found = []
        for reply in self._connection.pipeline([("XINFO", "CONSUMERS", stream, TRAINERS) for stream in streams]):
            if isinstance(reply, ServerError):
                if "no such key" in str(reply) or "NOGROUP" in str(reply):
                    continue
                raise reply
            for each in reply[:MOST_TRAINERS]:
                info = field_map(each)
                inactive = info.get(b"inactive")
                found.append(
                    ConsumerLook(
                        info[b"name"],
                        int(info[b"idle"]),
                        None if inactive is None else int(inactive),
                        int(info[b"pending"]),
                    )
                )
        return found


def _oldest_s(looks: Sequence[PartitionLook], name: str) -> float:
    ages_ms = [_age_ms(look, group) for look in looks for group in look.groups if group.name == name]
    return max(ages_ms, default=0) / 1000


def _age_ms(look: PartitionLook, group: GroupLook) -> int:
    return 0 if group.oldest_ms is None else max(0, look.now_ms - group.oldest_ms)


def _groups(looks: Sequence[PartitionLook], required: Sequence[str]) -> list[GroupBacklog]:
    """The groups over all partitions, required ones first."""
    found: dict[str, list[tuple[PartitionLook, GroupLook]]] = {}
    for look in looks:
        for group in look.groups:
            found.setdefault(group.name, []).append((look, group))
    order = sorted(found, key=lambda name: (name not in required, name))
    return [
        GroupBacklog(
            group=shown(name),
            not_read_entries=sum(group.not_read for _, group in found[name]),
            pending_entries=sum(group.pending for _, group in found[name]),
            oldest_s=max(_age_ms(look, group) for look, group in found[name]) / 1000,
            required=name in required,
            open_window=name == MONITORS,
        )
        for name in order[:MOST_GROUPS]
    ]
