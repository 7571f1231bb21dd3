"""The report of the drift bench: results as everywhere, and short tables that say the same for people."""

from __future__ import annotations

from rich.console import Console

from bench.drift.run_length import Delays
from bench.drift.short_table import ShortTable
from bench.report import Document, Report, figure

#: A share of undetected runs from which a table says so.
_WORTH_SAYING = 0.005
#: A standard error up to this share of the mean is not shown: many columns stand side by side.
_SMALL_ERROR = 0.05
#: Columns of text where there is no terminal: the peers stand side by side.
_WIDTH = 230
#: What stands below tables of delays.
DELAY_NOTE = (
    "Mean records to the alarm, ± its standard error where that is above 5 %; in brackets the share not found."
)


class DriftDocument(Document, frozen=True):
    """``bench/out/drift.json``."""

    tables: tuple[ShortTable, ...] = ()


class DriftReport(Report):
    """Results that stand in a table are in the JSON file, but not in the list below the tables."""

    def __init__(self, suite: str, command: str, seed: int, title: str = "") -> None:
        super().__init__(suite, command, seed, title)
        if not self.console.is_terminal:
            self.console = Console(width=_WIDTH)
        self.tables: list[ShortTable] = []
        self._tabled: set[int] = set()

    def add_table(self, table: ShortTable) -> None:
        """Print it before the list."""
        self.tables.append(table)

    def add_tabled(
        self,
        name: str,
        value: float | None,
        unit: str,
        peer: tuple[str, float | None] | None = None,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """As ``add``, for a figure that a table shows."""
        self._tabled.add(len(self.results))
        self.add(name, value, unit, peer, at_least=at_least, at_most=at_most)

    def show(self) -> None:
        """Print the tables, then the list and what is needed to repeat it."""
        for table in self.tables:
            self.console.print(table.rendered())
        every = self.results
        self.results = [result for number, result in enumerate(every) if number not in self._tabled]
        super().show()
        self.results = every
        self.console.print("seeds     a stream's seed is (seed, purpose, reference, run); bench/drift/seeds.py")

    def document(self) -> DriftDocument:
        """The results, and the tables."""
        plain = super().document()
        return DriftDocument(
            plain.command, plain.seed, plain.versions, plain.machine, plain.results, tables=tuple(self.tables)
        )


def shown(found: Delays) -> str:
    """A cell: the mean, with its error where that is large, or the share not found, which counts as the cap."""
    if not len(found.records):
        return "all alarmed before"
    missed = found.undetected_share
    if missed == 1.0:
        return "never"
    if missed > _WORTH_SAYING:
        return f"{figure(found.mean)} ({100 * missed:.0f} %)"
    if found.standard_error > _SMALL_ERROR * found.mean:
        return f"{figure(found.mean)} ±{figure(found.standard_error)}"
    return figure(found.mean)


def delay_unit(found: Delays) -> str:
    """Records, with the mean's standard error."""
    return f"records ± {figure(found.standard_error)}"


def yes_or_no(met: bool) -> str:
    """Whether a target is met; a miss stands out."""
    return "yes" if met else "NO"
