"""Speed and memory of one watcher: ``python -m bench.drift.peers.speed WHAT ROWS``, in the environment it needs.

ROWS is a file of NumPy with a reference and a stream of raw rows. It prints as JSON the records a second, and the
MiB by which the process grew at most over what it was with the rows alone, what it imports included.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.drift.peers.river_detectors import PerFeature, adwin, page_hinkley
from bench.drift.run_length import CHUNK_RECORDS, Watcher
from bench.machine import memory_mib
from core.model import Floats

#: A setting at which nothing alarms, so that only the watching is measured.
_QUIET_DELTA, _QUIET_THRESHOLD, _QUIET_ALPHA, _QUIET_BUDGET = 1e-12, 1e9, 1e-12, 1e9
#: Records for KSWIN, which is slow.
_KSWIN_RECORDS = 2_000


def records_per_second(what: str, reference: Floats, stream: Floats) -> float:
    """Of ``adwin``, ``page_hinkley``, ``kswin``, ``streamgauge``, or ``evidently-N`` with windows of N records."""
    if what == "streamgauge":
        from bench.drift.engine_access import load_engine  # noqa: PLC0415  (not in the peers' environment)

        return _fed(load_engine()(reference, _QUIET_BUDGET, known_truth=False, seed=0), stream)
    if what == "adwin":
        return _fed(adwin(reference, _QUIET_DELTA), stream)
    if what == "page_hinkley":
        return _fed(page_hinkley(reference, _QUIET_THRESHOLD), stream)
    if what == "kswin":
        from river.drift import KSWIN  # type: ignore[import-not-found]  # noqa: PLC0415  (as evidently below)

        watcher = PerFeature("KSWIN a feature", reference, lambda: KSWIN(alpha=_QUIET_ALPHA, seed=0))
        return _fed(watcher, stream[:_KSWIN_RECORDS])
    window = int(what.removeprefix("evidently-"))
    check = _evidently(reference)
    check(stream[:window])
    begin_s = time.perf_counter()
    check(stream[:window])
    return window / (time.perf_counter() - begin_s)


def _fed(watcher: Watcher, stream: Floats) -> float:
    begin_s = time.perf_counter()
    records = 0
    for start in range(0, len(stream), CHUNK_RECORDS):
        rows = stream[start : start + CHUNK_RECORDS]
        alarmed = watcher.feed(rows)
        records += len(rows) if alarmed is None else alarmed + 1
        if alarmed is not None:
            break
    return records / (time.perf_counter() - begin_s)


def _evidently(reference: Floats) -> Callable[[Floats], None]:
    """A check of a window by its preset for data drift; the reference is made ready once."""
    import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415  (in the peers' environment only)
    import pandas.core.dtypes.common as pandas_types  # type: ignore[import-untyped]  # noqa: PLC0415  (as above)

    if not hasattr(pandas_types, "infer_dtype_from_object"):
        # pandas 3 no longer has it; evidently 0.7 imports it for a test of column types that nothing here runs
        pandas_types.infer_dtype_from_object = type
    from evidently import (  # type: ignore[import-not-found]  # noqa: PLC0415  (as above)
        DataDefinition,
        Dataset,
        Report,
    )
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]  # noqa: PLC0415  (as above)

    names = [f"feature_{number}" for number in range(reference.shape[1])]
    definition = DataDefinition(numerical_columns=names)

    def dataset(x: Floats) -> Any:
        return Dataset.from_pandas(pd.DataFrame(x, columns=names), data_definition=definition)

    before = dataset(reference)

    def check(window: Floats) -> None:
        Report([DataDriftPreset()]).run(dataset(window), before).dict()

    return check


def main(what: str, path: str) -> None:
    """Measure and print."""
    with np.load(path, allow_pickle=False) as file:
        reference, stream = file["reference"], file["stream"]
    before = memory_mib(os.getpid(), "VmRSS")
    rate = records_per_second(what, reference, stream)
    peak = memory_mib(os.getpid(), "VmHWM")
    grown = None if before is None or peak is None else peak - before
    sys.stdout.write(json.dumps({"records_per_second": rate, "grown_mib": grown}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
