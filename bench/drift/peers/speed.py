"""Records a second of one peer: ``python -m bench.drift.peers.speed WHAT ROWS`` in the peers' environment.

ROWS is a file of NumPy with a reference and a stream of raw rows. It prints the figure as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.drift.peers.river_detectors import PerFeature, adwin, page_hinkley
from core.model import Floats

#: A setting at which nothing alarms, so that only the watching is measured.
_QUIET_DELTA, _QUIET_THRESHOLD, _QUIET_ALPHA = 1e-12, 1e9, 1e-12
#: Records for KSWIN, which is slow.
_KSWIN_RECORDS = 2_000


def records_per_second(what: str, reference: Floats, stream: Floats) -> float:
    """Of ``adwin``, ``page_hinkley``, ``kswin``, or ``evidently-N`` with windows of N records."""
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


def _fed(watcher: PerFeature, stream: Floats) -> float:
    begin_s = time.perf_counter()
    alarmed = watcher.feed(stream)
    records = len(stream) if alarmed is None else alarmed + 1
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


if __name__ == "__main__":
    with np.load(sys.argv[2], allow_pickle=False) as file:
        figure = records_per_second(sys.argv[1], file["reference"], file["stream"])
    sys.stdout.write(json.dumps(figure) + "\n")
