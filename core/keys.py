"""Every key and stream name; no other module spells one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import SettingsError

_PIPELINE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TAG = re.compile(r"[A-Za-z0-9_.:-]{1,80}")

#: Consumer group of the scorers on each records stream.
SCORERS = "scorers"
#: Marker group that shows floor and lag of the monitor, which owns its position itself.
MONITORS = "monitors"
#: Consumer group of the trainer on the retrain stream and on labels.
TRAINERS = "trainers"
#: Groups without whose progress no record is trimmed.
REQUIRED_GROUPS = (SCORERS, MONITORS)


@dataclass(frozen=True)
class PartitionKeys:
    """Keys of one partition; they share a hash tag, so one script may touch them all."""

    tag: str
    number: int

    @property
    def records(self) -> str:
        """Raw records."""
        return f"sg:{{{self.tag}}}:records"

    @property
    def predictions(self) -> str:
        """Results."""
        return f"sg:{{{self.tag}}}:predictions"

    @property
    def rejected(self) -> str:
        """What could not be scored."""
        return f"sg:{{{self.tag}}}:rejected"

    @property
    def floor(self) -> str:
        """The first entry that the scorers still needed at the last trimming; a lost group begins there."""
        return f"sg:{{{self.tag}}}:floor"

    @property
    def commit(self) -> str:
        """What a commit remembers between its steps; nobody ever sees it, as they are one transaction."""
        return f"sg:{{{self.tag}}}:commit"

    def producer(self, producer_id: str) -> str:
        """Last sequence of one producer."""
        return f"sg:{{{self.tag}}}:producer:{producer_id}"


@dataclass(frozen=True)
class PipelineKeys:
    """Keys of one pipeline; they share a hash tag.

    Raises
    ------
    SettingsError
        A pipeline name outside ``[A-Za-z0-9_.-]{1,64}``.
    """

    pipeline: str

    def __post_init__(self) -> None:
        if not _PIPELINE.fullmatch(self.pipeline):
            raise SettingsError(
                f"pipeline {self.pipeline!r} must be 1 to 64 letters, digits, underscores, dots or hyphens"
            )

    def partition(self, number: int) -> PartitionKeys:
        """Keys of one partition of a pipeline that has no tags of its own choice."""
        return PartitionKeys(f"{self.pipeline}:{number}", number)

    def partitions(self, count: int, tags: Sequence[str] = ()) -> tuple[PartitionKeys, ...]:
        """Keys of partitions 0 to count - 1, under ``tags`` where there are any.

        Raises
        ------
        SettingsError
            Tags that cannot be: see :meth:`checked_tags`.
        """
        if not tags:
            return tuple(self.partition(number) for number in range(count))
        return tuple(PartitionKeys(tag, number) for number, tag in enumerate(self.checked_tags(tags, count)))

    def checked_tags(self, tags: Sequence[str], count: int) -> tuple[str, ...]:
        """The tags, if each partition has one of its own that no other pipeline can have.

        Raises
        ------
        SettingsError
            They are not as many as partitions, or one is taken twice or cannot be a tag.
        """
        for tag in tags:
            if not _TAG.fullmatch(tag) or not tag.startswith(f"{self.pipeline}:"):
                raise SettingsError(
                    f"tag {tag!r} in partition_tags must begin with {self.pipeline + ':'!r}, so that no two "
                    "pipelines share a stream, and go on with letters, digits, underscores, dots, colons or "
                    "hyphens"
                )
        if len(set(tags)) != count or len(tags) != count:
            raise SettingsError(
                f"partition_tags has {len(set(tags))} different tags for {count} partitions; give one each"
            )
        return tuple(tags)

    def _key(self, name: str) -> str:
        return f"sg:{{{self.pipeline}}}:{name}"

    @property
    def config(self) -> str:
        """What all services of the pipeline agree on."""
        return self._key("config")

    @property
    def labels(self) -> str:
        """True outcomes."""
        return self._key("labels")

    @property
    def samples(self) -> str:
        """Rows kept for training."""
        return self._key("samples")

    @property
    def unmatched(self) -> str:
        """Labels and events that could not be used."""
        return self._key("unmatched")

    @property
    def monitor(self) -> str:
        """The monitor's window number and state."""
        return self._key("monitor")

    @property
    def drift(self) -> str:
        """One entry a closed window."""
        return self._key("drift")

    @property
    def retrain(self) -> str:
        """Retrain events."""
        return self._key("retrain")

    @property
    def promotions(self) -> str:
        """One entry a change of production."""
        return self._key("promotions")

    @property
    def models(self) -> str:
        """Model files by run id."""
        return self._key("models")

    @property
    def production(self) -> str:
        """The production pointer."""
        return self._key("production")
