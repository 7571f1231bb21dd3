"""What a run proved: each promise with its figure, and the evidence where it was broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.chaos.faults import FaultLog
from bench.report import Report, Result

#: Pieces of evidence that are printed for one promise; the file has all.
SHOWN = 5
SHOWN_LETTERS = 600


@dataclass(frozen=True)
class Finding:
    """One figure of a run; with a promise it says whether that was kept."""

    name: str
    value: float
    unit: str
    target: float | None = None
    met: bool | None = None
    evidence: tuple[str, ...] = ()


@dataclass
class Verdict:
    """All findings of one case, in the order of the table."""

    case: str
    seed: int
    log: FaultLog
    findings: list[Finding] = field(default_factory=list)

    def figure(self, name: str, value: float, unit: str) -> None:
        """Add a figure that promises nothing."""
        self.findings.append(Finding(f"{self.case}: {name}", value, unit))

    def none_of(self, name: str, evidence: list[str], unit: str, count: int | None = None) -> None:
        """Add a promise that something never happens; each piece of evidence is one time that it did."""
        value = len(evidence) if count is None else count
        self.findings.append(Finding(f"{self.case}: {name}", value, unit, 0, value == 0, tuple(evidence)))

    def at_most(self, name: str, value: float, unit: str, limit: float) -> None:
        """Add a promise with a bound."""
        evidence = () if value <= limit else (f"{value:,.0f} {unit}, promised {limit:,.0f}",)
        self.findings.append(Finding(f"{self.case}: {name}", value, unit, limit, value <= limit, evidence))

    def at_least(self, name: str, value: float, unit: str, limit: float) -> None:
        """Add a size that the run had to reach to prove anything."""
        evidence = () if value >= limit else (f"{value:,.0f} {unit}, asked for {limit:,.0f}",)
        self.findings.append(Finding(f"{self.case}: {name}", value, unit, limit, value >= limit, evidence))

    @property
    def violations(self) -> list[Finding]:
        """Promises that were not kept."""
        return [finding for finding in self.findings if finding.met is False]

    def explain(self) -> str:
        """Everything about the violations: seed, evidence, and the faults with their times."""
        lines = [f"case {self.case}, seed {self.seed}"]
        for finding in self.violations:
            lines += [f"VIOLATED {finding.name}: {finding.value:,g} {finding.unit}", *finding.evidence]
        return "\n".join([*lines, "faults:", *self.log.lines])


def show(console: Console, report: Report, verdicts: list[Verdict], folder: Path) -> None:
    """Print the table, write the JSON file, and where something was violated the evidence beside it."""
    table = Table(title="chaos: what was promised, and what came of it")
    for column, right in (("what", False), ("figure", True), ("unit", False), ("promise", True), ("", False)):
        table.add_column(column, justify="right" if right else "left")
    for verdict in verdicts:
        for finding in verdict.findings:
            report.results.append(
                Result(finding.name, finding.value, finding.unit, target=finding.target, met=finding.met)
            )
            table.add_row(
                finding.name,
                f"{finding.value:,.0f}",
                finding.unit,
                "" if finding.target is None else f"{finding.target:,.0f}",
                {None: "", True: "kept", False: "[bold red]VIOLATED[/]"}[finding.met],
            )
    console.print(table)
    report.write()
    for verdict in verdicts:
        if verdict.violations:
            path = folder / f"violations-{verdict.case}.txt"
            path.write_text(verdict.explain() + "\n", encoding="utf-8")
            for finding in verdict.violations:
                console.print(f"VIOLATED {finding.name} (seed {verdict.seed})", style="bold red")
                for piece in finding.evidence[:SHOWN]:
                    console.print(f"  {piece[:SHOWN_LETTERS]}", highlight=False, markup=False)
            console.print(f"evidence  {path} and the services' logs beside it", highlight=False)
