"""Send rejections again: draft, correct, check, then one atomic step a rejection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from core.connection import Connection
from core.entry import Entry, EntryId, entries_of, parse_entry_id
from core.errors import BacklogFull, ModelFileError, RecordError, RegistryError
from core.keys import SCORERS, PartitionKeys
from core.model import LogisticModel
from core.pipeline_config import PipelineConfig
from core.record_decoder import RecordDecoder
from core.redis_registry import RedisRegistry
from core.scoring import score_batch
from core.scripts.script import Script
from core.scripts.trim import trim
from core.settings import Settings
from core.stream_lag import stream_lags
from streamgauge.redrive.correction import Corrections
from streamgauge.redrive.draft import Draft, make_draft
from streamgauge.redrive.lines import RejectionLine, corrected_by
from streamgauge.redrive.selection import DamagedEntry, RejectedEntry

#: Rejections between two looks at the backlog.
LOOK_EVERY = 200
#: An entry has no smaller id than the one that it is checked under; it stands in no stream.
_NOWHERE = b"0-1"

#: Appends a record and deletes its rejection, in one step.
send_again = Script("send_again", Path(__file__).parent)


class Left(msgspec.Struct, frozen=True):
    """A rejection that was not sent, and why."""

    partition: int
    rejection: str
    reason: str
    why: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of one rejection."""

    records: int  #: records sent, or to be sent in a dry run; 0: none
    entry_id: str | None = None  #: in the records stream
    gone: bool = False  #: another run sent it
    left: Left | None = None


class Redrive:
    """One run over some rejections.

    Parameters
    ----------
    force
        Send also what production would reject again, and poison.
    lines
        Corrected lines of an export; only their rejections are meant.
    """

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        config: PipelineConfig,
        *,
        corrections: Corrections,
        force: bool = False,
        dry_run: bool = False,
        lines: dict[tuple[int, str], RejectionLine] | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._config = config
        self._corrections = corrections
        self._force = force
        self.dry_run = dry_run
        self._lines = lines
        self._registry = RedisRegistry(connection, settings.keys)
        self._floors: dict[int, EntryId | None] = {}
        self._features: dict[str, tuple[str, ...]] | None = None
        self.model = self._production()
        self._decoder = None if self.model is None else RecordDecoder(self.model.schema, settings.max_entry_bytes)

    def run(self, rejections: Iterable[RejectedEntry | DamagedEntry]) -> Iterator[Outcome]:
        """Send them one by one.

        Raises
        ------
        BacklogFull
            The readers are behind by more than the cap; what is not sent yet is still rejected.
        """
        for number, found in enumerate(rejections):
            if not self.dry_run and number % LOOK_EVERY == 0:
                for partition in self._config.partitions:
                    self._require_room(partition)
                    self._floors[partition.number] = self._scorers_floor(partition)
            yield self._one(found)

    @property
    def expected(self) -> int:
        """How many rejections the corrected lines name; 0 where there are none."""
        return len(self._lines or ())

    def draft(self, found: RejectedEntry) -> Draft:
        """What the rejection becomes, uncorrected. Raises RecordError."""
        return make_draft(found, self._features_of, self._original_of)

    def _one(self, found: RejectedEntry | DamagedEntry) -> Outcome:
        if isinstance(found, DamagedEntry):
            return Outcome(0, left=Left(found.partition.number, found.entry_id.decode(), "", found.why))
        try:
            draft = self.draft(found)
            if self._lines is not None:
                draft = corrected_by(self._lines[found.partition.number, found.entry_id.decode()], draft)
            draft = self._corrections.apply(draft)
            fields = draft.encode(None if self.model is None else self.model.schema)
            problem = None if self._force else self._problem(found, fields)
        except RecordError as error:
            problem = f"{error.reason}: {error.detail}"
        if problem is None and not self.dry_run and self._may_be_read_again(found):
            problem = (
                "the scorers' group is missing or not behind its record yet, so that its recovery would answer it "
                "twice; run this again when the scorers have caught up"
            )
        if problem is not None:
            left = Left(found.partition.number, found.entry_id.decode(), found.rejection.reason, problem)
            return Outcome(0, left=left)
        if self.dry_run:
            return Outcome(draft.records)
        keys = (found.partition.rejected, found.partition.records)
        entry_id = send_again.run(self._connection, keys, (found.entry_id, *fields))
        if entry_id is None:
            return Outcome(0, gone=True)
        return Outcome(draft.records, entry_id.decode())

    def _problem(self, found: RejectedEntry, fields: list[bytes]) -> str | None:
        """Why production would reject it again."""
        if found.rejection.reason == "poison":
            return "each worker that processed it alone died; send it with --force once you know why"
        if self._decoder is None or self.model is None:
            return "there is no model in production to check it by; promote one, or send it with --force"
        batch = self._decoder.decode([Entry(_NOWHERE, fields)])
        refused = score_batch(self.model, batch).batch.rejections
        return f"{refused[0].reason}: {refused[0].detail}" if refused else None

    def _production(self) -> LogisticModel | None:
        production = self._registry.production()
        return None if production is None else self._registry.model(production.run_id).model

    def _features_of(self, fingerprint: str) -> tuple[str, ...] | None:
        """Of production, else of any model that is kept; those are read at the first block that needs them."""
        if self.model is not None and self.model.schema.fingerprint == fingerprint:
            return self.model.schema.features
        if self._features is None:
            self._features = {}
            for name in self._connection.call("HKEYS", self._settings.keys.models):
                if name.endswith(b":sha256"):
                    continue
                try:
                    schema = self._registry.model(name.decode()).model.schema
                except (RegistryError, ModelFileError, UnicodeDecodeError):
                    continue  # doctor speaks of damaged models
                self._features[schema.fingerprint] = schema.features
        return self._features.get(fingerprint)

    def _original_of(self, found: RejectedEntry) -> Entry | None:
        record = found.rejection.record
        entries = entries_of(self._connection.call("XRANGE", found.partition.records, record, record))
        return entries[0] if entries else None

    def _may_be_read_again(self, found: RejectedEntry) -> bool:
        """Whether scorers that lose their group would begin before the record, and miss this as its answer."""
        floor = self._floors[found.partition.number]
        passed = floor is not None and parse_entry_id(found.rejection.record) < floor
        return not passed and self._original_of(found) is not None

    def _scorers_floor(self, partition: PartitionKeys) -> EntryId | None:
        """The first entry that the scorers still need, as of now: written down as they do when they trim."""
        config = self._config
        trim(
            self._connection,
            partition.records,
            config.records_keep_ms,
            config.records_keep_bytes,
            required_groups=config.required_groups,
            remember=(SCORERS, partition.floor),
        )
        try:
            return parse_entry_id(self._connection.call("GET", partition.floor) or b"")
        except ValueError:
            return None

    def _require_room(self, partition: PartitionKeys) -> None:
        """The same caps as a producer's, by the lag of the required groups."""
        settings = self._settings
        newest = entries_of(self._connection.call("XREVRANGE", partition.records, "+", "-", "COUNT", 3))
        entry_bytes = sum(entry.size_bytes for entry in newest) / max(1, len(newest))
        for lag in stream_lags(self._connection, (partition,)):
            if lag.group in self._config.required_groups and (
                lag.lag_entries > settings.max_backlog_entries
                or lag.lag_entries * entry_bytes > settings.max_backlog_bytes
            ):
                raise BacklogFull(lag.group)
