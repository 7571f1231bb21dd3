"""The expectation of a reference as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid

from streamgauge.drift.delay import MOST_RECORDS
from streamgauge.drift.expectation import MORE_ROWS, Expectation, Kind, in_words, rounded
from streamgauge.drift.reference import FittedReference
from streamgauge.terminal_text import print_wrapped, printable, shortened

#: Columns of a terminal for the name of a feature; with them the table takes fewer than 80.
_NAME = 24


def show_expectation(console: Console, reference: FittedReference, expectation: Expectation) -> None:
    """Print it; ``console`` takes nothing for markup."""
    print_wrapped(console, f"what to expect of {printable(reference.words)}")
    console.print(f"at one false alarm in {expectation.false_alarm_records:,} records")
    these, more, known = expectation.kinds
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    grid.add_column("", no_wrap=True)
    for name in (f"{these.rows:,} rows", f"x{MORE_ROWS}", "known"):
        grid.add_column(name, justify="right", no_wrap=True)
    estimated = (these, more)
    grid.add_row("records to a false alarm", *map(_median, (*estimated, known)))
    grid.add_row("  1 of 20 references: fewer than", *(rounded(kind.run_lengths.low) for kind in estimated))
    grid.add_row("  1 of 20 references: more than", *(rounded(kind.run_lengths.high) for kind in estimated))
    grid.add_row("records until a shift is found")
    for change in expectation.changes:
        what = "every feature" if change.feature is None else shortened(change.feature, _NAME)
        grid.add_row(f"  ±{change.shift:g} SD of {what}", *map(in_words, change.delays))
    console.print(grid)
    if expectation.features_left_out:
        console.print(f"  {expectation.features_left_out:,} features more were not measured alone", style="dim")
    trials = expectation.changes[0].delays[0].trials
    for sentence in (
        f"x{MORE_ROWS}: with {more.rows:,} such rows; known: if these rows were the whole truth.",
        f"Delays are means of {trials} trials; > where one ended at {MOST_RECORDS:,} records without an alarm.",
    ):
        print_wrapped(console, sentence, style="dim")


def _median(kind: Kind) -> str:
    return rounded(kind.run_lengths.median)
