"""``python -m bench.drift`` (= ``make bench-drift``): run lengths and delays of the drift engine, beside peers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

from core.blas import use_one_thread
from core.errors import StreamgaugeError

#: What a part may meet: no Raisin file, no adapter, a process that fails.
_TROUBLE = (StreamgaugeError, OSError, subprocess.SubprocessError, BrokenExecutor)


def main() -> int:
    """Run the parts asked for; exit status 0 whatever was met, 1 where a part could not be measured."""
    use_one_thread()
    from bench.drift.parts import PARTS  # noqa: PLC0415  (NumPy reads the environment at import)

    parser = argparse.ArgumentParser(prog="python -m bench.drift", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seed", type=int, default=0, help="of references and streams (default 0)")
    parser.add_argument("--quick", action="store_true", help="a short form: few references, few runs")
    parser.add_argument(
        "--processes",
        type=int,
        default=min(2, os.cpu_count() or 1),
        help="at once; the figures do not depend on it (default 2)",
    )
    options = parser.parse_args()
    if options.seed < 0 or options.processes < 1:
        sys.stderr.write("streamgauge: --seed is at least 0 and --processes at least 1\n")
        return 2
    chosen = [name for name in PARTS if not options.only or name in options.only]
    measured = _run(chosen, options.seed, options.processes, quick=options.quick, whole=len(chosen) == len(PARTS))
    return 0 if measured else 1


def _run(chosen: list[str], seed: int, processes: int, *, quick: bool, whole: bool) -> bool:
    """Measure, print and write; whether every part could be measured. One that cannot says why in its place."""
    from bench.drift.parts import PARTS  # noqa: PLC0415  (after use_one_thread)
    from bench.drift.run import FULL, QUICK, DriftRun  # noqa: PLC0415  (as above)
    from bench.drift.tables import DriftReport  # noqa: PLC0415  (as above)
    from bench.peers.environment import PeerEnvironment  # noqa: PLC0415  (as above)

    options = ("" if whole else f" --only {' '.join(chosen)}") + (" --quick" if quick else "")
    suite = "drift" + ("-quick" if quick else "") + ("" if whole else f"-{'-'.join(chosen)}")
    command = f"python -m bench.drift{options}"
    report = DriftReport(suite, command, seed, "the drift engine: one budget for false alarms")
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, report.console.status("") as status:

        def say(what: str) -> None:
            line = f"{time.monotonic() - started_s:5.0f} s  {name}: {what}"
            status.update(line)
            if not report.console.is_terminal:
                sys.stderr.write(f"{line}\n")

        work = QUICK if quick else FULL
        run = DriftRun(report, seed, work, processes, Path(folder), say, PeerEnvironment(say), quick)
        failed = []
        for name in chosen:
            try:
                PARTS[name](run)
            except _TROUBLE as error:
                failed.append(name)
                report.add(f"{name}: not measured", None, "", (str(error), None))
    report.show()
    report.write()
    return not failed


if __name__ == "__main__":
    sys.exit(main())
