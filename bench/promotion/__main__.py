"""``python -m bench.promotion``: how often the promotion rule promotes what is equal, and what is better."""

from __future__ import annotations

import argparse
import sys
import time

from core.blas import use_one_thread

#: ``--quick``: whether the bench runs, and what roughly comes out.
QUICK_DRAWS = 50
#: The issue's number: a share of .025 is then known to .005.
DRAWS = 1_000


def main() -> int:
    """Simulate, print the table, write the JSON file; exit status 0 whatever was met."""
    use_one_thread()
    parser = argparse.ArgumentParser(prog="python -m bench.promotion", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", metavar="TEXT", help="the scenarios with this in their name")
    parser.add_argument("--seed", type=int, default=0, help="of rows and models (default 0)")
    parser.add_argument("--draws", type=int, help=f"of each scenario (default {DRAWS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DRAWS} draws of each")
    options = parser.parse_args()
    draws = options.draws or (QUICK_DRAWS if options.quick else DRAWS)
    if options.seed < 0 or draws < 1:
        sys.stderr.write("streamgauge: --seed is at least 0 and --draws at least 1\n")
        return 2
    _run(draws, options.seed, options.only)
    return 0


def _run(draws: int, seed: int, only: str | None) -> None:
    from bench.promotion.scenarios import scenarios  # noqa: PLC0415  (NumPy reads the environment at import)
    from bench.promotion.simulation import simulate  # noqa: PLC0415  (as above)
    from bench.promotion.table import add  # noqa: PLC0415  (as above)
    from bench.report import Report  # noqa: PLC0415  (as above)

    chosen = [scenario for scenario in scenarios() if not only or only in scenario.name]
    whole = only is None and draws == DRAWS
    command = f"python -m bench.promotion --draws {draws}" + (f" --only '{only}'" if only else "")
    title = f"the promotion rule: share of {draws} draws that are promoted"
    report = Report("promotion" if whole else "promotion-part", command, seed, title)
    started_s = time.monotonic()
    with report.console.status("") as status:
        for number, scenario in enumerate(chosen):

            def say(drawn: int, name: str = scenario.name) -> None:
                status.update(f"{time.monotonic() - started_s:5.0f} s  {name}: {drawn} of {draws}")

            tally = simulate(scenario.world, scenario.pair(scenario.world), scenario.setting, draws, seed, say)
            add(report, scenario, tally)
            if not report.console.is_terminal:
                sys.stderr.write(
                    f"{time.monotonic() - started_s:5.0f} s  {number + 1} of {len(chosen)}: {scenario.name}\n"
                )
    report.show()
    report.write()


if __name__ == "__main__":
    sys.exit(main())
