"""What to expect of a reference: how rarely it alarms falsely, how soon it finds a change, what more rows buy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from core.drift.bins import Bins
from core.drift.budget import RECORD_SHARE
from core.drift.calibration import ANCHORS, Calibration, calibrate
from core.drift.reference_rows import ReferenceRows
from core.model import Floats
from core.model_file import ModelFile
from core.settings import Settings
from monitor.drift_engine import Limits
from monitor.window_engine import limits_of
from streamgauge.drift.delay import Delay, Stream, measure_delay, stream_of
from streamgauge.drift.reference import FittedReference

#: Shifts of all features together, and of one alone, in training SD.
TOGETHER = (0.25, 0.5, 1.0)
ALONE = 0.5
#: Features measured alone, at most.
MOST_ALONE = 20
#: How many times the rows there are, for the question what more would buy.
MORE_ROWS = 4
#: Trials of a change: the mean delay is then known to some 4 %.
TRIALS = 100
#: Fewer where features are many, and a record takes longer: so many trial-features, and at least so many trials.
_TRIAL_FEATURES, _LEAST_TRIALS = 2_000, 20
#: Blocks of simulation for the known truth: half of the usual ones, since all of them are of one stream.
_KNOWN_BLOCKS = 160
#: Quantiles over references of the run length.
QUANTILES = (0.05, 0.5, 0.95)
#: Logarithms of run lengths spread over references in proportion to ln(budget / this many records): a run length
#: is exp(c h) times the records after which the statistics are new, and c differs. So the spread grows 1.43-fold
#: from a budget of 10,000 to one of 100,000. Measured over 30 pseudo-references, of 6 to 10 million records each:
#: 1.40 (720 rows of Raisin) and 1.37 (300 Gaussian rows of 3 features). From 2,500 to 10,000 it grows 1.35-fold;
#: 1.40, 1.25 and 1.34 (2,000 rows of 12) were measured.
_RENEWAL_RECORDS = 50.0


class RunLengths(msgspec.Struct, frozen=True):
    """Records to a false alarm, over references like this one."""

    low: float  #: one reference in twenty alarms more often
    median: float
    high: float  #: one reference in twenty alarms less often


class ChangeDelay(msgspec.Struct, frozen=True):
    """The delay of one change under each of the expectation's ``kinds``."""

    feature: str | None  #: None: all that vary, together
    shift: float  #: in training SD, upwards and downwards in turn
    delays: list[Delay]


class Kind(msgspec.Struct, frozen=True):
    """A reference that there is, or could be."""

    name: str
    rows: int | None  #: training rows; None: the rows are taken for the whole truth
    run_lengths: RunLengths


class Expectation(msgspec.Struct, frozen=True):
    """What to expect of a reference at a budget."""

    false_alarm_records: int
    window_records: int
    kinds: list[Kind]
    changes: list[ChangeDelay]
    features_left_out: int  #: varying ones that were not measured alone


def run_lengths(lengths: Floats, budget: float) -> RunLengths:
    """Quantiles at ``budget``, from the run lengths (B,) of pseudo-references at the calibration's upper anchor.

    What a pseudo-reference is off the anchor, in logarithms, grows with the budget (:data:`_RENEWAL_RECORDS`).
    That is the rate of the record-by-record detectors, which have their share of the budget; the others are taken
    to spend all of theirs, and at the upper end nothing. The lower end is the budget at most: no more is promised
    than that 95 % of references keep it.
    """
    growth = max(0.0, math.log(budget / _RENEWAL_RECORDS) / math.log(ANCHORS[1] / _RENEWAL_RECORDS))
    rates = RECORD_SHARE * (ANCHORS[1] / lengths) ** growth
    low, median, high = np.quantile(rates, QUANTILES[::-1]).tolist()
    others = 1.0 - RECORD_SHARE
    return RunLengths(min(budget, budget / (low + others)), budget / (median + others), budget / high)


def expect(reference: FittedReference, settings: Settings, step: Callable[[str], None]) -> Expectation:
    """Measure it; deterministic. ``step`` is told what is measured next.

    Delays are those of the monitor's own engine, on streams like the training rows in which one or all features
    shift for good. What ``MORE_ROWS`` times the rows would give is told from pseudo-references of that size drawn
    from the rows; the last kind takes the rows for the whole truth, which no number of rows can better.
    """
    file, rows = reference.file, reference.rows.of(reference.file)
    limits, n = limits_of(settings), len(rows.x)
    step(f"calibrating for {MORE_ROWS * n:,} rows")
    more = calibrate(rows, file.drift.seed, rows=MORE_ROWS * n)
    step("calibrating for a known truth")
    known = calibrate(rows, file.drift.seed, known_truth=True, blocks=_KNOWN_BLOCKS)
    kinds = [
        (Kind("these rows", n, run_lengths(file.drift.run_lengths, limits.budget)), file),
        (
            Kind(f"{MORE_ROWS} times the rows", MORE_ROWS * n, run_lengths(more.run_lengths, limits.budget)),
            _with(file, more, MORE_ROWS * n, known_truth=False),
        ),
        (
            Kind("known truth", None, RunLengths(limits.budget, limits.budget, limits.budget)),
            _with(file, known, n, known_truth=True),
        ),
    ]
    changes = _changes(file)
    files = [each for _, each in kinds]
    stream = stream_of(rows, file, file.drift.seed)
    measured = []
    for feature, shift in changes:
        step(f"measuring the delay of {shift:g} SD of {feature or 'every feature'}")
        delays = _delays(files, stream, limits, feature, shift)
        measured.append(ChangeDelay(feature, shift, delays))
    alone = sum(feature is not None for feature, _ in changes)
    left_out = len(rows.index) - alone
    return Expectation(
        settings.false_alarm_records, settings.window_records, [kind for kind, _ in kinds], measured, left_out
    )


def brief_expectation(file: ModelFile, rows: ReferenceRows, settings: Settings) -> str:
    """One sentence for those who have just trained a model; it takes some tenths of a second."""
    stream = stream_of(rows, file, file.drift.seed)
    (delay,) = _delays([file], stream, limits_of(settings), None, ALONE)
    return (
        "drift: about 19 of 20 training sets alarm falsely less often than once in "
        f"{settings.false_alarm_records:,} records; a shift of {ALONE:g} SD of every feature is found after "
        f"{in_words(delay)} records"
    )


def in_words(delay: Delay) -> str:
    """A delay; where the change was not always found, its lower bound.

    >>> in_words(Delay(64.4, 2.0, 100, 0)), in_words(Delay(4_100.0, 90.0, 100, 7))
    ('64', '> 4,100')
    """
    return "unknown" if delay.records is None else f"{'> ' * bool(delay.missed)}{rounded(delay.records)}"


def rounded(number: float) -> str:
    """Two figures are what simulations give, three where they are small.

    >>> rounded(7.62), rounded(64.4), rounded(123_456.0)
    ('7.6', '64', '120,000')
    """
    return f"{number:.1f}" if number < 10 else f"{float(f'{number:.2g}'):,.0f}"


def _changes(file: ModelFile) -> list[tuple[str | None, float]]:
    varying = [file.profile.features[index] for index in file.drift.transform.index]
    together: list[tuple[str | None, float]] = [(None, shift) for shift in TOGETHER]
    return together + [(name, ALONE) for name in varying[:MOST_ALONE]]


def _delays(
    files: Sequence[ModelFile], stream: Stream, limits: Limits, feature: str | None, size: float
) -> list[Delay]:
    """One for each file, all on the same streams."""
    profile = files[0].profile
    shift = np.where(profile.varies, size, 0.0)
    if feature is not None:
        shift[[name != feature for name in profile.features]] = 0.0
    trials = min(TRIALS, max(_LEAST_TRIALS, _TRIAL_FEATURES // len(profile.features)))
    return [measure_delay(file, stream, limits, shift, trials, file.drift.seed) for file in files]


def _with(file: ModelFile, calibration: Calibration, rows: int, *, known_truth: bool) -> ModelFile:
    """The model file with the thresholds of another reference, as if ``rows`` rows had given it."""
    bins = Bins(file.drift.bins.edges, file.drift.bins.shares, rows)
    drift = replace(
        file.drift,
        rows=rows,
        thresholds=calibration.thresholds,
        run_lengths=calibration.run_lengths,
        bins=bins,
        known_truth=known_truth,
    )
    return replace(file, profile=replace(file.profile, rows=rows), drift=drift)
