"""Where a scorer's time goes: the whole process under cProfile, its own time summed by module.

A profiler makes small calls dearer than they are. Blocks make few calls a row, so their shares are near the truth;
plain records make many, so theirs show an order and no more.
"""

from __future__ import annotations

import pstats
import re
from collections import Counter
from pathlib import Path

from bench.answers import wait_for_answers
from bench.fill import Fill
from bench.run import CHECKOUT, KEYS, PARTITION, Run
from bench.table import make_model
from core.connection import Connection
from core.errors import UsageError

#: Entries answered under the profiler, by rows of a block (0: plain).
_ENTRIES = {256: 60_000, 0: 200_000}
#: Places shown, the dearest first.
_SHOWN = 10
#: Waiting for the model at the start, and for threads at the end.
_IDLE = "acquire()"
#: How cProfile writes "<method 'recv_into' of '_socket.socket' objects>", "<built-in method time.sleep>".
_BUILT_IN = re.compile(r"<(?:built-in )?method '?([\w.]+)")
#: A stop that takes longer has hung.
_STOP_S = 30.0


def measure(run: Run) -> None:
    """Fill the report."""
    with run.connect() as connection:
        for rows, entries in _ENTRIES.items():
            form = f"blocks of {rows}" if rows else "plain records"
            run.say(form)
            spent = _spent(run, connection, rows, entries)
            total = sum(spent.values())
            for place, seconds in spent.most_common(_SHOWN):
                run.report.add(f"profile, {form}: {place}", seconds / total * 100, "% of its time")


def _spent(run: Run, connection: Connection, rows: int, entries: int) -> Counter[str]:
    """Seconds of own time by module; start-up, some tenths of a second, is among them."""
    path = run.folder / f"profile-{rows}"
    model = make_model(run.seed)
    run.reset(connection, model)
    Fill(connection, PARTITION.records, model, rows, run.seed).add(entries)
    options = ("--redis-url", run.server.url, "--pipeline", KEYS.pipeline, "--http-port", "0")
    profiled = ("cProfile", "-o", str(path), "-m", "scorer", *options, "--log-level", "warning")
    with run.program(*profiled) as process:
        wait_for_answers(connection, PARTITION.predictions, entries)
        process.terminate()
        process.wait(_STOP_S)
    if not path.exists():
        raise UsageError(f"the profiled scorer ended with status {process.returncode} and left no profile")
    spent: Counter[str] = Counter()
    stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]  # its stub leaves the one attribute out
    for (file, _, function), (_, _, own_s, _, _) in stats.items():
        spent[_place(file, function)] += own_s
    del spent[_IDLE]
    return spent


def _place(file: str, function: str) -> str:
    """A module of ours by its path, a library by its name, a built-in function by its own."""
    if file == "~":
        name = _BUILT_IN.match(function)
        return f"{name[1]}()" if name else function
    path = Path(file)
    if path.is_relative_to(CHECKOUT) and ".venv" not in path.parts:
        return str(path.relative_to(CHECKOUT))
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    return f"Python's {path.stem}"
