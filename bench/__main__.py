"""``python -m bench`` (= ``make bench``): the full path beside a hand-written redis-py + scikit-learn loop."""

from __future__ import annotations

import argparse
import sys

from core.blas import use_one_thread


def main() -> int:
    """Run the suite; exit status 0 whatever was met."""
    use_one_thread()
    from bench.full_path import measure  # noqa: PLC0415  (NumPy reads the environment at import)
    from bench.report import Report  # noqa: PLC0415  (as above)
    from core.errors import UsageError  # noqa: PLC0415  (as above)

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--seconds",
        type=float,
        default=2.5,
        help="about how long each row is measured (default 2.5); 2.5 million records at most",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the records (default 0)")
    options = parser.parse_args()
    if not 0 < options.seconds <= 60:
        sys.stderr.write(f"streamgauge: --seconds is {options.seconds:g}; choose more than 0, at most 60\n")
        return 2
    report = Report("full_path", f"python -m bench --seconds {options.seconds:g}", options.seed)
    try:
        measure(report, options.seconds)
    except UsageError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    report.show()
    report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
