"""Of a long file what matters is shown, in bounded memory."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from core.drift_window import Reading
from monitor.detectors import concept
from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.file_window import READERS, FileAlarm, FileWindow, ratio
from streamgauge.drift.history import MOST_COLUMNS, History
from streamgauge.drift.table import MOST_ALARMS, MOST_WINDOWS, Digest, show


def window(number: int, ratio: float = 0.5, *, alarm: bool = False, skipped: int = 0, n: int = 10) -> FileWindow:
    """Ten rows in which the first detector is at ``ratio`` of its threshold."""
    lines = (number * 10, number * 10 + 9) if n else (None, None)
    raised = FileAlarm(
        line=number * 10 + 5,
        first_line=number * 10 + 2,
        records=4,
        detector=READERS[0],
        statistic=ratio,
        threshold=1.0,
        effect=0.7,
        blame=["b", "a"],
        shift={"a": 0.1, "b": -0.7},
        sentence=f"b is lower [{number}].",
    )
    return FileWindow(
        window=number,
        state="drift" if alarm else "ok",
        first_line=lines[0],
        last_line=lines[1],
        n=n,
        skipped=skipped,
        score=ratio,
        threshold=1.0,
        p_mean=0.5,
        p_raw_mean=None,
        z={"a": 0.01 * number, "b": -ratio},
        blame=["b", "a"],
        constant_changed={},
        episode=None,
        alarm=raised if alarm else None,
        readings=[
            Reading(name, ratio if not place else 0.0, 1.0, alarm, True) for place, name in enumerate(READERS)
        ],
    )


def printed(windows: list[FileWindow], labels: FileLabels | None = None, *, width: int | None = None) -> str:
    """What a pipe gets, or a terminal of so many columns."""
    digest, history = Digest(), History(("a", "b"), labels=labels)
    for each in windows:
        digest.add(each)
        history.add(each)
        history.records += each.n
        history.skipped += each.skipped
    out = io.StringIO()
    terminal = width is not None
    console = Console(file=out, width=width or 160, markup=False, force_terminal=terminal, color_system=None)
    show(console, digest, history)
    return out.getvalue()


def test_every_window_of_a_short_file_is_shown() -> None:
    text = printed([window(number) for number in range(1, MOST_WINDOWS + 1)])
    lines = [f"{10 * number}-{10 * number + 9}" for number in range(1, MOST_WINDOWS + 1)]
    assert [line.split()[0] for line in text.splitlines()[1:-1]] == lines
    assert "more" not in text
    assert "skipped" not in text
    assert text.splitlines()[-1] == "no alarm in 200 records, 20 windows"


def test_of_a_long_file_alarms_and_what_is_near_one_are_shown() -> None:
    near = {77: 0.9, 500: 0.95}
    windows = [window(n, near.get(n, 0.1), alarm=400 <= n < 430) for n in range(1, 1_001)]
    digest = Digest()
    for each in windows:
        digest.add(each)
    shown = [each.window for each in digest.windows]
    assert len(shown) == MOST_WINDOWS
    assert shown[0] == 400
    assert all(400 <= number < 430 for number in shown)
    assert "980 more, 10 windows with an alarm among them" in printed(windows)
    quiet = [window(n, near.get(n, 0.1)) for n in range(1, 1_001)]
    digest = Digest()
    for each in quiet:
        digest.add(each)
    assert {77, 500} <= {each.window for each in digest.windows}


def test_of_many_alarms_those_that_begin_a_drift_are_told() -> None:
    drifting = {*range(50, 90), *range(200, 240)}
    text = printed([window(n, 1.5, alarm=n in drifting) for n in range(1, 300)])
    assert text.count("alarm at line") == 2
    assert "alarm at line 505" in text
    assert "alarm at line 2,005" in text
    assert "78 more alarms in windows that follow these without a pause; --json has all" in text


def test_of_more_drifts_than_are_told_no_pause_is_denied() -> None:
    text = printed([window(n, 1.5, alarm=bool(n % 2)) for n in range(1, 2 * MOST_ALARMS + 8)])
    assert text.count("alarm at line") == MOST_ALARMS
    assert "4 more alarms; --json has all" in text
    assert "pause" not in text


def test_each_alarm_of_a_few_is_told_with_line_effect_and_blame() -> None:
    text = printed([window(n, 1.5, alarm=n > 2) for n in range(1, 3 + MOST_ALARMS)])
    assert text.count("alarm at line") == MOST_ALARMS
    assert "alarm at line 35: mean_abs_z 1.5, threshold 1, effect 0.70 SD of b\n" in text
    assert "b is lower [3]." in text
    assert "suspected from line 32; to blame: b -0.70 SD, a +0.10 SD" in text


def test_an_alarm_that_moves_no_feature_has_no_effect_to_tell() -> None:
    each = window(3, 1.5, alarm=True)
    assert each.alarm is not None
    alarm = msgspec.structs.replace(each.alarm, detector=concept.NAME, statistic=12_345.0, threshold=1e4, blame=[])
    text = printed([msgspec.structs.replace(each, alarm=alarm)])
    assert "alarm at line 35: concept 12,300, threshold 10,000\n" in text
    assert "suspected from line 32\n" in text


def test_a_constant_that_changed_is_blamed_alone_and_without_training_sd() -> None:
    each = window(3, 1.5, alarm=True)
    assert each.alarm is not None
    text = printed([msgspec.structs.replace(each, alarm=msgspec.structs.replace(each.alarm, detector="constant"))])
    assert "alarm at line 35: constant 1.5, threshold 1\n" in text
    assert "suspected from line 32; to blame: b\n" in text


def _wide(number: int, *, skipped: int) -> FileWindow:
    """A window as wide as one can be: of a long file, with long names and large figures."""
    each = window(number, 1.5, alarm=True, skipped=skipped)
    assert each.alarm is not None
    name = "the_length_of_the_major_axis"
    blame, z = [name, "a", "b"], {name: -10.0, "a": 10.0, "b": 10.0}
    alarm = msgspec.structs.replace(
        each.alarm,
        line=1_234_567,
        detector="distribution",
        statistic=123_456.0,
        blame=blame,
        shift=z,
        sentence=f"{name} is lower by 10 SD or more than the other features lead one to expect, over 200 records.",
    )
    far = Reading("distribution", 123_456.0, 1.0, True, False)
    return msgspec.structs.replace(
        each,
        first_line=1_000_001,
        last_line=1_000_500,
        state="recovering",
        score=10.0,
        threshold=0.195,
        z=z,
        blame=blame,
        readings=[far if one.detector == far.detector else one for one in each.readings],
        alarm=alarm,
    )


@pytest.mark.parametrize("skipped", [0, 500])
def test_nothing_is_wider_than_a_terminal_of_80_columns(skipped: int) -> None:
    wide = _wide(1, skipped=skipped)
    told = FileLabels(column="good", tested=1_200, unknown=30, log_loss=0.4321, reference_log_loss=0.25)
    text = printed([wide, window(2, 0.5, skipped=skipped, n=0)], told, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "10 SD or more" in text
    assert ("th..is -10.00" if skipped else "the_le..r_axis -10.00") in text
    for line in text.splitlines():
        assert not line.startswith(("SD", "of ", "over", "last"))  # what goes on is indented
    first = text.splitlines()[1]
    assert first.startswith("1000001-1000500 ")
    assert "recovering distribution > 999" in " ".join(first.split())
    assert ("500" in first.split()) is bool(skipped)


def test_a_pipe_gets_sentences_whole() -> None:
    (sentence,) = (line for line in printed([_wide(1, skipped=0)]).splitlines() if "lead one to expect" in line)
    assert sentence.startswith("  the_length_of_the_major_axis is lower")
    assert sentence.endswith("over 200 records.")


def test_labels_are_summed_up_in_one_line() -> None:
    told = FileLabels(column="good", tested=1_200, unknown=0, log_loss=0.4321, reference_log_loss=0.25)
    line = (
        "1,200 labels of column good tested; log-loss 0.432 over the last few hundred, 0.250 for the reference's"
    )
    assert line in printed([window(1)], told)
    assert "no class" not in printed([window(1)], told)
    assert "3 rows not used for a label" in printed([window(1)], msgspec.structs.replace(told, unknown=3))
    untested = printed([window(1)], msgspec.structs.replace(told, tested=0, log_loss=None))
    assert "0 labels of column good tested\n" in untested
    assert "label" not in printed([window(1)])


def test_the_evidence_of_labels_counts_by_its_logarithm() -> None:
    ratios = [
        ratio(Reading(concept.NAME, statistic, 10_000.0, False, True)) for statistic in (0.0, 99.0, 10_000.0)
    ]
    assert ratios == pytest.approx([0.0, 0.5, 1.0], abs=1e-4)
    assert ratio(Reading(concept.NAME, 10_000.0, 10_000.0, True, False)) == 1.0
    assert ratio(Reading(READERS[0], 99.0, 10_000.0, False, True)) == 0.0099


def test_a_window_without_a_usable_row_is_shown_as_such() -> None:
    text = printed([window(1, n=0, skipped=7)])
    assert "none" in text.splitlines()[1]
    assert "0 records and 7 that could not be used" in text


@given(ratios=st.lists(st.floats(0.0, 9.0), min_size=1, max_size=3 * MOST_COLUMNS))
def test_a_history_forgets_no_peak(ratios: list[float]) -> None:
    history = History(("a", "b"))
    for number, each in enumerate(ratios, start=1):
        history.add(window(number, each))
    columns = len(history.edges) - 1
    assert columns == min(columns, MOST_COLUMNS)
    assert history.ratios.shape == (len(READERS), columns)
    assert history.z.shape == (2, columns)
    assert history.ratios[0].max() == max(ratios)
    assert history.z[1].min() == -max(ratios)
    assert (np.diff(history.edges) > 0).all()
    assert history.edges[0] == 10
    assert history.edges[-1] == 10 * len(ratios) + 10


@pytest.mark.parametrize("count", [1, MOST_COLUMNS, MOST_COLUMNS + 1, 5 * MOST_COLUMNS + 3])
def test_columns_of_a_history_hold_the_same_number_of_windows(count: int) -> None:
    history = History(("a", "b"))
    for number in range(1, count + 1):
        history.add(window(number))
    widths = np.diff(history.edges)
    assert (widths[:-1] == widths[0]).all()
    assert widths[-1] <= widths[0]
