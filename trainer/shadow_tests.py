"""When a shadow is tested, and what came of it: each test is made once, by whoever looks first, and kept.

A test that was made again whenever somebody asks would judge other rows each time: labels come late, and rows
leave the samples after days. A candidate no better than production with 120 labelled rows a week, asked for once a
day, was so promoted in 16 of 100 draws within four weeks and in 47 within twelve, where 2.5 is the rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from core.errors import RegistryError
from core.shadow_registry import ShadowRegistry
from trainer.dataset import LabelledRows
from trainer.open_request import GROWTH
from trainer.promotion.decision import PromotionDecision, read_decision


class ShadowTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a shadow, as it is kept."""

    production: str  #: run that it was compared with
    since_ms: int  #: rows from then on
    look: int  #: number of the test, which is that of the attempt
    counted_rows: int  #: labelled rows at which it was due
    last: tuple[int, int, int, int]  #: place of the newest judged row: ms, seq, partition, row
    decision: msgspec.Raw  #: as JSON

    @property
    def read(self) -> PromotionDecision:
        """The decision."""
        return read_decision(bytes(self.decision))


class Due(NamedTuple):
    """Where the tests of a shadow stand."""

    look: int  #: number of the newest test that is due or was made, 0 before the first
    judged_rows: int  #: the oldest rows, which it judges where it is due
    due_rows: int  #: labelled rows at which it was due
    counted_rows: int  #: labelled rows so far, also those that have left the samples
    next_look_rows: int  #: labelled rows at which the next one is due


@dataclass(frozen=True)
class ShadowTests:
    """The tests of one shadow against one run in production.

    Raises RegistryError where a test that was kept cannot be read: made again, it would be one chance more.
    """

    shadows: ShadowRegistry
    run_id: str
    production: str
    since_ms: int

    def newest(self) -> ShadowTest | None:
        """The newest test; None before the first."""
        return self._newest(self.shadows.tests(self.run_id))

    def keep(self, test: ShadowTest) -> ShadowTest:
        """Keep a test, unless somebody else made it meanwhile; the one that stands."""
        while True:
            tests = self.shadows.tests(self.run_id)
            newest = self._newest(tests)
            if newest is not None and newest.look >= test.look:
                return newest
            if self.shadows.add_test(self.run_id, len(tests) + 1, msgspec.json.encode(test)):
                return test

    def _newest(self, tests: list[bytes]) -> ShadowTest | None:
        for data in reversed(tests):
            try:
                test = msgspec.json.decode(data, type=ShadowTest)
            except msgspec.MsgspecError as error:
                raise RegistryError(
                    f"a test of shadow {self.run_id} cannot be read ({error}); end the shadow and begin it again"
                ) from error
            if (test.production, test.since_ms) == (self.production, self.since_ms):
                return test
        return None


def due(rows: LabelledRows, made: ShadowTest | None, first: int) -> Due:
    """Which test is due, where ``made`` is the newest that was made and ``first`` the rows of the first.

    Rows that have left the samples since the newest test still count: else a shadow that has few labels in the
    days that samples are kept would never be tested again.
    """
    n = len(rows.y)
    if made is None:
        counted = n
        look, due_rows, following = looks(counted, first)
    else:
        counted = max(n, made.counted_rows + _behind(rows, made.last))
        look, due_rows, following = looks(counted, first, (made.look, made.counted_rows))
    return Due(look, n - (counted - due_rows), due_rows, counted, following)


def place_of_row(rows: LabelledRows, number: int) -> tuple[int, int, int, int]:
    """Where a row is, in the order of the rows."""
    ms, seq, row, partition = rows.positions[number].tolist()
    return ms, seq, partition, row


def looks(labelled_rows: int, first: int, made: tuple[int, int] = (0, 0)) -> tuple[int, int, int]:
    """The newest test at so many rows: its number (0: none yet), its rows, and the rows of the next one.

    ``made`` are number and rows of a test from which on to count.

    >>> looks(199, 200), looks(200, 200), looks(449, 200), looks(450, 200)
    ((0, 0, 200), (1, 200, 300), (2, 300, 450), (3, 450, 675))
    >>> looks(449, 200, made=(1, 250))
    (2, 375, 563)
    """
    number, rows = made
    following = math.ceil(GROWTH * rows) if number else first
    while following <= labelled_rows:
        number, rows, following = number + 1, following, math.ceil(GROWTH * following)
    return number, rows, following


def _behind(rows: LabelledRows, last: tuple[int, int, int, int]) -> int:
    """How many rows come after a place; rows are in order."""
    low, high = 0, len(rows.y)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if place_of_row(rows, middle) <= last else (low, middle)
    return len(rows.y) - low
