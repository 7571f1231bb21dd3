"""Put the figures of a run into docs/performance.md: ``python -m bench.page``.

It reads ``bench/out/full_path.json`` and writes a table between each pair of lines like these, with the rows whose
name begins with one of the texts, and the run's command and versions where the line says ``run``::

    <!-- figures: latency, idle | start -->
    <!-- end of figures -->
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec

from bench.report import OUT, Document, Result, figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

_PLACE = re.compile(r"(<!-- figures: (.+?) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def with_figures(text: str, document: Document) -> str:
    """The page with the tables of a run in their places.

    Raises
    ------
    ValueError
        A place for which the run has no row.
    """

    def replaced(found: re.Match[str]) -> str:
        wanted = found[2].split(" | ")
        if wanted == ["run"]:
            return f"{found[1]}{about(document)}\n{found[3]}"
        rows = [result for result in document.results if result.name.startswith(tuple(wanted))]
        if not rows:
            raise ValueError(f"the run has no row that begins with {found[2]!r}; run make bench, all of it")
        return f"{found[1]}{markdown(rows)}\n{found[3]}"

    return _PLACE.sub(replaced, text)


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


def main() -> int:
    """Write the page; the exit status."""
    path = OUT / "full_path.json"
    if not path.exists():
        sys.stderr.write(f"streamgauge: there is no {path}; run make bench\n")
        return 2
    document = msgspec.json.decode(path.read_bytes(), type=Document)
    try:
        page = with_figures(PAGE.read_text(encoding="utf-8"), document)
    except ValueError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(f"written   {PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
