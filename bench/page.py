"""Put the figures of a run into docs/performance.md: ``python -m bench.page``.

It reads ``bench/out/full_path.json`` and writes a table between each pair of lines like these, with the rows whose
name begins with one of the texts, and the run's command and versions where the line says ``run``::

    <!-- figures: latency, idle | start -->
    <!-- end of figures -->
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.report import OUT, Document, Result, figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

AnyDocument = TypeVar("AnyDocument", bound=msgspec.Struct)


def fill_places(text: str, kind: str, content: Callable[[str], str]) -> str:
    """``text`` with ``content(name)`` between each ``<!-- kind: name -->`` and the next ``<!-- end of kind -->``.

    What is there now is replaced; a ValueError of ``content`` is passed on.

    Raises
    ------
    ValueError
        A page without a place.
    """
    if not place_names(text, kind):
        raise ValueError(f"the page has no place for it; add <!-- {kind}: run --> and <!-- end of {kind} -->")
    return _places(kind).sub(lambda found: f"{found[1]}{content(found[2])}{found[3]}", text)


def place_names(text: str, kind: str) -> list[str]:
    """What the places of a kind are to be filled with, in their order."""
    return [found[2] for found in _places(kind).finditer(text)]


def _places(kind: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {kind}: (.+?) -->\n).*?(<!-- end of {kind} -->)", re.DOTALL)


def with_figures(text: str, document: Document, kind: str = "figures", remedy: str = "make bench") -> str:
    """The page with the figures of a run in its places of a ``kind``; ``remedy`` is the command that makes one.

    Raises
    ------
    ValueError
        A place for which the run has no row, or a page without a place.
    """

    def table(names: str) -> str:
        if names == "run":
            return f"{about(document)}\n"
        rows = [result for result in document.results if result.name.startswith(tuple(names.split(" | ")))]
        if not rows:
            raise ValueError(f"the run has no row that begins with {names!r}; run {remedy}, all of it")
        return f"{markdown(rows)}\n"

    return fill_places(text, kind, table)


def markdown(results: list[Result]) -> str:
    """A table, one line a result; columns that nobody fills are left out."""
    columns = {
        "what": [result.name for result in results],
        "figure": [f"{figure(result.value)} {result.unit}" for result in results],
        "beside": [result.peer or "" for result in results],
        "its figure": [figure(result.peer_value) for result in results],
        "ratio": ["" if result.ratio is None else f"{result.ratio:.2f}x" for result in results],
        "target": [result.bound for result in results],
        "met": [{True: "yes", False: "**no**", None: ""}[result.met] for result in results],
    }
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    lines = [" | ".join(filled), " | ".join("---" for _ in filled)]
    lines += [" | ".join(cells) for cells in zip(*filled.values(), strict=True)]
    return "\n".join(f"| {line} |" for line in lines)


def about(document: Document) -> str:
    """The command, the versions and the machine of a run."""
    versions = ", ".join(f"{name} {version}" for name, version in document.versions.items())
    machine = ", ".join(f"{name} {value}" for name, value in document.machine.items())
    return f"`{document.command}`: {versions}; {machine}."


def read_run(path: Path, kind: type[AnyDocument], remedy: str) -> AnyDocument | None:
    """The document of a run; None where there is none, which is said with the command that makes it."""
    if not path.exists():
        sys.stderr.write(f"streamgauge: there is no {path}; run {remedy}\n")
        return None
    return msgspec.json.decode(path.read_bytes(), type=kind)


def rewrite(page: Path, filled: Callable[[str], str]) -> int:
    """Write a page as ``filled`` makes it of what is there; the exit status, 2 where it raises ValueError."""
    try:
        text = filled(page.read_text(encoding="utf-8"))
    except ValueError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    page.write_text(text, encoding="utf-8")
    sys.stdout.write(f"written   {page}\n")
    return 0


def main() -> int:
    """Write the page; the exit status."""
    document = read_run(OUT / "full_path.json", Document, "make bench")
    return 2 if document is None else rewrite(PAGE, lambda text: with_figures(text, document))


if __name__ == "__main__":
    sys.exit(main())
