"""``python -m bench.raisin``: ten-fold accuracy and calibration on Raisin, beside other figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.blas import use_one_thread
from core.errors import StreamgaugeError

if TYPE_CHECKING:
    from bench.raisin.ten_fold import TenFold
    from bench.report import Report

#: Seeds of the target.
SEEDS = 5
#: Targets: mean accuracy over the seeds, and the pooled calibration error of each.
LEAST_ACCURACY, MOST_CALIBRATION_ERROR = 86.4, 0.05  # per cent, share
#: Accuracies of the data set's authors, per cent (Cinar, Koklu and Tasdemir 2020, Gazi Journal of Engineering
#: Sciences 6:200).
PUBLISHED = {"logistic regression": 85.22, "multilayer perceptron": 86.33, "SVM": 86.44}


def main() -> int:
    """Measure, print and write; exit status 0 whatever was met, 2 without the file."""
    use_one_thread()
    parser = argparse.ArgumentParser(prog="python -m bench.raisin", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, help=f"seeds 0, 1, ... (default {SEEDS}, the target's)"
    )
    options = parser.parse_args()
    if options.seeds < 1:
        sys.stderr.write(f"streamgauge: --seeds is {options.seeds}; choose 1 or more\n")
        return 2
    try:
        _run(options.seeds)
    except StreamgaugeError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    return 0


def _run(seeds: int) -> None:
    from bench.drift.raisin import raisin_table  # noqa: PLC0415  (NumPy reads the environment at import)
    from bench.raisin.ten_fold import one_strength, ours, scikit_learn  # noqa: PLC0415  (as above)
    from bench.report import Report  # noqa: PLC0415  (as above)

    table = raisin_table()
    report = Report("raisin", f"python -m bench.raisin --seeds {seeds}", 0, "Raisin, ten-fold, seeds from 0 on")
    ways = {"ours": ours, "C = 1": one_strength, "scikit-learn": scikit_learn}
    found: dict[str, list[TenFold]] = {name: [] for name in ways}
    with report.console.status("") as status:
        for seed in range(seeds):
            for name, way in ways.items():
                status.update(f"seed {seed}: {name}")
                found[name].append(way(table, seed))
    _add_seeds(report, found["ours"])
    _add_means(report, found["ours"], found["scikit-learn"], found["C = 1"])
    report.show()
    report.write()


def _add_seeds(report: Report, found: Sequence[TenFold]) -> None:
    for seed, each in enumerate(found):
        report.add(f"accuracy, seed {seed}", 100 * each.accuracy, "%")
    for seed, each in enumerate(found):
        unit = f"(a perfect model: {each.floor:.3f})"
        report.add(f"calibration error, seed {seed}", each.calibration_error, unit, at_most=MOST_CALIBRATION_ERROR)


def _add_means(
    report: Report, ours: Sequence[TenFold], peers: Sequence[TenFold], plain: Sequence[TenFold]
) -> None:
    """The mean over the seeds beside scikit-learn and one strength in the same folds, and what is published."""
    accuracy = "accuracy, mean", 100 * _mean([each.accuracy for each in ours]), "%"
    report.add(*accuracy, at_least=LEAST_ACCURACY)
    for name, published in PUBLISHED.items():
        report.add(*accuracy, (f"{name}, published", published))
    for name, others in (("LogisticRegressionCV", peers), ("ours at C = 1", plain)):
        report.add(*accuracy, (name, 100 * _mean([each.accuracy for each in others])))
        loss = "log-loss, mean", _mean([each.log_loss for each in ours]), ""
        report.add(*loss, (name, _mean([each.log_loss for each in others])))
        error = "calibration error, mean", _mean([each.calibration_error for each in ours]), ""
        report.add(*error, (name, _mean([each.calibration_error for each in others])))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    sys.exit(main())
