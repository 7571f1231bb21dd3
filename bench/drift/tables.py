"""The report of the drift bench: results as everywhere, and large tables with a change a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bench.drift.run_length import Delays
from bench.report import Report, figure

#: A share of undetected runs from which a table says so.
_WORTH_SAYING = 0.005
#: A standard error up to this share of the mean is not shown: many columns stand side by side.
_SMALL_ERROR = 0.05
#: Columns of text where there is no terminal: the peers stand side by side.
_WIDTH = 230
#: A name's longest word, and most cells, fit.
_NARROWEST = 13
_CAPTION = "mean records to the alarm, ± its standard error where that is above 5 %; (share not found)"


@dataclass(frozen=True)
class DelayTable:
    """Mean delays by change and by what watched; a column may lack some changes."""

    title: str
    columns: Mapping[str, Mapping[str, Delays]]  #: by watcher, then by change
    notes: Mapping[str, str]  #: a line below the changes, by watcher
    note_name: str = ""

    def rendered(self) -> Table:
        """As rich prints it."""
        table = Table(title=self.title, box=SIMPLE, caption=_CAPTION)
        table.add_column("change", no_wrap=True)
        for column in self.columns:
            table.add_column(column, justify="right", min_width=_NARROWEST)
        for name in dict.fromkeys(name for column in self.columns.values() for name in column):
            cells = [column.get(name) for column in self.columns.values()]
            table.add_row(name, *("" if cell is None else shown(cell) for cell in cells))
        if self.notes:
            table.add_section()
            table.add_row(self.note_name, *(self.notes.get(column, "") for column in self.columns))
        return table


class DriftReport(Report):
    """Its large tables are printed as such: their results are in the JSON file, not in the list above them."""

    def __init__(self, suite: str, command: str, seed: int, title: str = "") -> None:
        super().__init__(suite, command, seed, title)
        if not self.console.is_terminal:
            self.console = Console(width=_WIDTH)
        self._tables: list[DelayTable] = []
        self._tabled: set[int] = set()

    def add_table(self, table: DelayTable) -> None:
        """Print it after the list."""
        self._tables.append(table)

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
        """Print the large tables, then the list and what is needed to repeat it."""
        for table in self._tables:
            self.console.print(table.rendered())
        every = self.results
        self.results = [result for number, result in enumerate(every) if number not in self._tabled]
        super().show()
        self.results = every
        self.console.print("seeds     a stream's seed is (seed, purpose, reference, run); bench/drift/seeds.py")


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
