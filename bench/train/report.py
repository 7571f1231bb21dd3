"""The report of the training bench: results with targets for programs, one wide table for people."""

from __future__ import annotations

from rich.console import Console

from bench.drift.short_table import ShortTable
from bench.report import Document, Report, figure
from bench.train.fitters import OURS, TOLERANCE
from bench.train.measure import CaseResult, Measured

#: Rows from which memory is compared; with fewer, a page of 4 KiB decides.
_WEIGHED_ROWS = 10_000
#: Columns of text where there is no terminal.
_WIDTH = 200
#: What stands below the table; ``repeats`` and ``threads`` are filled in.
NOTE = (
    "Milliseconds, the best of {repeats} rounds in turns, in brackets how far the median is above it; C = 1; "
    f"everyone runs to {TOLERANCE:g} of the largest gradient component of the mean loss, which is worked out anew "
    "for each. MiB are what a fit needs at its peak beside its rows, in a process of its own; the peer's are the "
    "faster one's. BLAS and OpenMP: {threads} thread(s), everyone's."
)


class TrainDocument(Document, frozen=True):
    """``bench/out/train.json``."""

    tables: tuple[ShortTable, ...] = ()


class TrainReport(Report):
    """One row of the table and a few results a case."""

    def __init__(self, suite: str, command: str, seed: int, note: str) -> None:
        super().__init__(suite, command, seed, "training")
        if not self.console.is_terminal:
            self.console = Console(width=_WIDTH)
        self._note = note
        self._rows: list[tuple[str, ...]] = []

    def add_case(self, result: CaseResult) -> None:
        """Our time and memory beside the fastest peer's, and everyone's gradient."""
        name, ours, fastest = result.case.name, result.ours, result.fastest
        beside = None if fastest is None else result.peers[fastest]
        self.add(
            f"time, {name}",
            1e3 * ours.best_s,
            "ms",
            None if fastest is None or beside is None else (fastest, 1e3 * beside.best_s),
            at_most=None if fastest is None else result.case.at_most,
        )
        if fastest is not None and beside is not None:
            at_most = 1.0 if result.case.rows >= _WEIGHED_ROWS else None
            self.add(f"memory, {name}", ours.peak_mib, "MiB", (fastest, beside.peak_mib), at_most=at_most)
        for fitter, measured in result.fitters.items():
            # a peer that misses the tolerance misses no target of ours
            at_most = TOLERANCE if fitter == OURS else None
            self.add(f"gradient, {name}: {fitter}", measured.gradient, "", at_most=at_most)
        self._rows.append(_row(result, beside))

    @property
    def table(self) -> ShortTable:
        """The wide one."""
        columns = (
            "rows x features", "streamgauge", "lbfgs", "newton-cholesky", "of the faster", "target", "met",
            "readings or steps", "gradients", "MiB", "the peer's",
        )  # fmt: skip
        return ShortTable("training", columns, tuple(self._rows), self._note)

    def show(self) -> None:
        """Print the table, then the results that have a target, and what is needed to repeat it."""
        self.console.print(self.table.rendered())
        every = self.results
        self.results = [result for result in every if result.target is not None]
        super().show()
        self.results = every

    def document(self) -> TrainDocument:
        """The results, and the table."""
        plain = super().document()
        return TrainDocument(
            plain.command, plain.seed, plain.versions, plain.machine, plain.results, tables=(self.table,)
        )


def _row(result: CaseResult, beside: Measured | None) -> tuple[str, ...]:
    ours, at_most = result.ours, result.case.at_most
    every = (ours, *result.peers.values())
    ratio = None if beside is None else ours.best_s / beside.best_s
    met = "" if at_most is None or ratio is None else "yes" if ratio <= at_most else "NO"
    return (
        result.case.name,
        *(_time(measured) for measured in every),
        "" if ratio is None else f"{ratio:.2f}x",
        "" if at_most is None else f"at most {at_most:g}",
        met,
        ", ".join(str(measured.steps) for measured in every),
        ", ".join(f"{measured.gradient:.0e}" for measured in every),
        figure(ours.peak_mib),
        "" if beside is None else figure(beside.peak_mib),
    )


def _time(measured: Measured) -> str:
    above = 100.0 * (measured.median_s / measured.best_s - 1.0)
    text = f"{figure(1e3 * measured.best_s)} (+{above:.0f} %)"
    return text if measured.arrived else f"{text}, misses the tolerance"
