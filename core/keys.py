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
#: Begins the name of each shadow's consumer group on the records streams.
_SHADOW = "shadow:"


def shadow_group(run_id: str) -> str:
    """Consumer group of the scorers that score beside production with one candidate; never a required one."""
    return f"{_SHADOW}{run_id}"


def is_shadow_group(group: str) -> bool:
    """Whether a group is a shadow's: what it has not read is nobody's backlog."""
    return group.startswith(_SHADOW)


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

    def shadow(self, run_id: str) -> ShadowKeys:
        """The same partition as the shadow of a candidate sees it."""
        return ShadowKeys(self.tag, self.number, run_id)


@dataclass(frozen=True)
class ShadowKeys(PartitionKeys):
    """Keys of one partition for one shadow: production's records, and everything else its own."""

    run_id: str

    @property
    def predictions(self) -> str:
        """The candidate's results."""
        return self._own("predictions")

    @property
    def rejected(self) -> str:
        """Entries of which the candidate could score no row."""
        return self._own("rejected")

    @property
    def floor(self) -> str:
        """Never written: what a shadow still needs keeps nothing from being trimmed."""
        return self._own("floor")

    @property
    def commit(self) -> str:
        """As for production, within the same transaction."""
        return self._own("commit")

    @property
    def start(self) -> str:
        """Where the shadow began: entries ever added to records and to its results by then."""
        return self._own("start")

    def _own(self, name: str) -> str:
        return f"sg:{{{self.tag}}}:shadow:{self.run_id}:{name}"


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

    def alert(self, fingerprint: str, started_ms: int) -> str:
        """Id of the retrain event that stands for an alert, by which it is known when it is said again."""
        return self._key(f"alerts:{fingerprint}:{started_ms}")

    @property
    def promotions(self) -> str:
        """One entry a change of production."""
        return self._key("promotions")

    @property
    def decisions(self) -> str:
        """One entry a decision that left production as it was."""
        return self._key("decisions")

    @property
    def models(self) -> str:
        """Model files by run id, the SHA-256 of each as ``RUN:sha256`` beside it."""
        return self._key("models")

    @property
    def production(self) -> str:
        """The production pointer."""
        return self._key("production")

    @property
    def shadows(self) -> str:
        """Models of candidates that are scored beside production, with their SHA-256 (``RUN:sha256``), since when
        (``RUN:since_ms``), and each test made of them (``RUN:test:1``, 2, ...; JSON)."""
        return self._key("shadows")
