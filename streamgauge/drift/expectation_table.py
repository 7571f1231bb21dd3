"""The expectation of a reference as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid

from streamgauge.drift.delay import MOST_RECORDS
from streamgauge.drift.expectation import Expectation, Kind, in_words, rounded
from streamgauge.drift.reference import FittedReference
from streamgauge.terminal_text import printable


def show_expectation(console: Console, reference: FittedReference, expectation: Expectation) -> None:
    """Print it; ``console`` takes nothing for markup."""
    console.print(f"what to expect of {printable(reference.words)}")
    console.print(f"at one false alarm in {expectation.false_alarm_records:,} records")
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    grid.add_column("", no_wrap=True)
    for kind in expectation.kinds:
        grid.add_column(kind.name if kind.rows is None else f"{kind.name} ({kind.rows:,})", justify="right")
    grid.add_row("records to a false alarm", *map(_median, expectation.kinds))
    grid.add_row("  90 % of such references", *map(_range, expectation.kinds), style="dim")
    grid.add_row("records until a shift is found")
    for change in expectation.changes:
        what = "every feature" if change.feature is None else f"{printable(change.feature, 30)} alone"
        grid.add_row(f"  ±{change.shift:g} SD of {what}", *map(in_words, change.delays))
    console.print(grid)
    if expectation.features_left_out:
        console.print(f"  {expectation.features_left_out:,} features more were not measured alone", style="dim")
    trials = expectation.changes[0].delays[0].trials
    console.print(
        f"Delays are means of {trials} trials; > where one ended at {MOST_RECORDS:,} records without an alarm.",
        style="dim",
    )


def _median(kind: Kind) -> str:
    return rounded(kind.run_lengths.median)


def _range(kind: Kind) -> str:
    lengths = kind.run_lengths
    return "" if kind.rows is None else f"{rounded(lengths.low)} to {rounded(lengths.high)}"
