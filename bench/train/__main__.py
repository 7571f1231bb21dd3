"""``python -m bench.train`` (= ``make bench-train``): the solver for many rows beside scikit-learn's."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

#: What decides the number of threads of NumPy's BLAS and of scikit-learn's loops.
_THREAD_SETTINGS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def main() -> int:
    """Measure the cases; exit status 0 whatever was met, 1 where one could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=__doc__, allow_abbrev=False)
    parser.add_argument("--repeats", type=int, default=9, help="rounds, of which the best counts (default 9)")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS and OpenMP, for everyone (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the rows (default 0)")
    parser.add_argument("--quick", action="store_true", help="a short form: small cases")
    options = parser.parse_args()
    if options.repeats < 1 or options.threads < 1 or options.seed < 0:
        sys.stderr.write("streamgauge: --repeats and --threads are at least 1, --seed at least 0\n")
        return 2
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, str(options.threads)))
    return 0 if _run(options.repeats, options.threads, options.seed, quick=options.quick) else 1


def _run(repeats: int, threads: int, seed: int, *, quick: bool) -> bool:
    """Measure, print and write; whether every case could be measured. One that cannot says why in its place."""
    from bench.train.cases import CASES, QUICK_CASES  # noqa: PLC0415  (NumPy reads the environment at import)
    from bench.train.measure import measure_case  # noqa: PLC0415  (as above)
    from bench.train.report import NOTE, TrainReport  # noqa: PLC0415  (as above)

    command = f"python -m bench.train --repeats {repeats} --threads {threads}" + (" --quick" if quick else "")
    note = NOTE.format(repeats=repeats, threads=threads)
    report = TrainReport("train-quick" if quick else "train", command, seed, note)
    started_s = time.monotonic()
    failed = False
    with tempfile.TemporaryDirectory() as folder, report.console.status("") as status:

        def say(what: str) -> None:
            line = f"{time.monotonic() - started_s:4.0f} s  {what}"
            status.update(line)
            if not report.console.is_terminal:
                sys.stderr.write(f"{line}\n")

        for case in QUICK_CASES if quick else CASES:
            try:
                report.add_case(measure_case(case, seed, repeats, Path(folder), say))
            except (MemoryError, OSError, subprocess.SubprocessError) as error:
                failed = True
                report.add(f"time, {case.name}: not measured", None, "", (str(error), None))
    report.show()
    report.write()
    return not failed


if __name__ == "__main__":
    sys.exit(main())
