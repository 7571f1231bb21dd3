"""One table of a run as printed, as stored in its JSON file, and as the page shows it: all the same cells."""

from __future__ import annotations

import msgspec
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table


class ShortTable(msgspec.Struct, frozen=True):
    """Cells as text, the first column says what a row is about."""

    name: str  #: what the page calls its place
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""  #: a sentence below the table

    def rendered(self) -> Table:
        """As rich prints it."""
        table = Table(title=self.name, box=SIMPLE, caption=self.note or None)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=not number)
        for row in self.rows:
            table.add_row(*map(escape, row))
        return table

    def markdown(self) -> str:
        """As a page shows it; a bar within a cell would end the cell."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        return f"{table}\n\n{self.note}" if self.note else table
