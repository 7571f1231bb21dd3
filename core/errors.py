"""Every error that streamgauge raises on purpose.

::

    StreamgaugeError
    ├── UsageError                what a person asked for cannot be done; commands print it and exit with 2
    │   ├── SettingsError         an unknown key, or a value that does not fit
    │   ├── DataError             a file of rows that cannot be used
    │   │   └── ReferenceDrifts   training rows that change in their own course
    │   └── ServerUnavailable     no Redis where one is needed
    ├── SchemaError               feature or class names that break the rules
    ├── ModelFileError            model bytes that are not a whole, known model file
    │   └── UnknownModelFormat    of a version that is not read here
    ├── RegistryError
    │   ├── NoProductionModel     nothing has been promoted yet
    │   ├── UnknownRun            no such run, or a run without a model
    │   └── Superseded            production changed since the caller looked
    ├── StreamError
    │   ├── BacklogFull           the readers are behind by more than the cap
    │   └── GroupMissing          the consumer group or its stream is gone
    └── RecordError               one record, label or row that cannot be used, with its reason code
"""

from __future__ import annotations

from collections.abc import Sequence


class StreamgaugeError(Exception):
    """Base of the tree; its message is one sentence that says what to do."""


class UsageError(StreamgaugeError):
    """What a person asked for cannot be done as asked."""


class SettingsError(UsageError):
    """An unknown setting, or a value that does not fit."""


class DataError(UsageError):
    """A file of rows that cannot be used."""


class ReferenceDrifts(DataError):
    """Training rows that change in their own course, so that nothing can be judged against them.

    ``finding`` is the part of the message that says what was found, without what to do. ``before`` and ``after``
    are the numbers of the rows before the change and from it on.
    """

    def __init__(self, finding: str, advice: str, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__(f"{finding}; {advice}")
        self.finding = finding
        self.before = before
        self.after = after


class ServerUnavailable(UsageError):
    """No Redis answers where one is needed."""


class SchemaError(StreamgaugeError):
    """Feature or class names that break the rules of the wire format."""


class ModelFileError(StreamgaugeError):
    """Model bytes that are not a whole model file of a known version."""


class UnknownModelFormat(ModelFileError):
    """A model file of a version that is not read here: perhaps whole, and never to be replaced unasked.

    ``newer``: a later version of streamgauge reads it.
    """

    def __init__(self, message: str, *, newer: bool) -> None:
        super().__init__(message)
        self.newer = newer


class RegistryError(StreamgaugeError):
    """The registry cannot do what was asked."""


class NoProductionModel(RegistryError):
    """Nothing has been promoted yet."""


class UnknownRun(RegistryError):
    """No such run, or a run that has no model."""


class Superseded(RegistryError):
    """Production changed between looking and promoting; nothing was changed."""


class StreamError(StreamgaugeError):
    """A stream is not in the state that the caller needs."""


class BacklogFull(StreamError):
    """The readers are behind by more than the cap; nothing was written.

    ``group`` is the consumer group that holds the backlog.
    """

    def __init__(self, group: str) -> None:
        super().__init__(
            f"the backlog is full and group {group!r} holds it; wait for its readers or start more of them"
        )
        self.group = group


class GroupMissing(StreamError):
    """The consumer group or its stream is gone, for example after a flush."""


class RecordError(StreamgaugeError):
    """One record, label or row that cannot be used.

    ``reason`` is the stable code of the wire format; the message is one sentence with field and value.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
