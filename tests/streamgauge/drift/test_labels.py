"""Labels of a file are tested as the stream tests those that come with their records."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from core.connection import Connection
from core.settings import Settings
from monitor.detectors import concept
from streamgauge.drift.file_window import FileWindow
from streamgauge.drift.history import History
from streamgauge.drift.reference import FittedReference, Reference
from streamgauge.drift.run import judge_file
from tests.streamgauge.drift.conftest import LONG_S, ROWS, WriteRows, label_texts, normal_rows
from tests.streamgauge.drift.test_equality import assert_judged_alike

#: Settings of a file alone.
OWN = Settings(
    window_records=100, window_min_records=30, label_false_alarm_records=1_000, retrain_cooldown_s=LONG_S
)


def judged(
    path_of: WriteRows, reference: Reference, *file: object, own: Settings = OWN
) -> tuple[list[FileWindow], History]:
    """Windows and history of a file that is written from what is given behind its name."""
    windows: list[FileWindow] = []
    path = path_of("judged.csv", *file)
    return windows, judge_file(path, reference, own, Console(stderr=True, quiet=True), windows.append)


def named(reference: FittedReference, label: str | None = "good", *, labelled: bool = True) -> Reference:
    """The reference with another column of classes."""
    return Reference(reference.name, reference.words, reference.file, labelled, label)


def without_labels(windows: list[FileWindow]) -> list[object]:
    """All that is said of windows but the readings and figures of labels."""
    return [
        msgspec.to_builtins(
            msgspec.structs.replace(
                window, labels=None, readings=[one for one in window.readings if one.detector != concept.NAME]
            )
        )
        for window in windows
    ]


@pytest.mark.parametrize(
    ("slide", "cooldown_s", "chunk_bytes", "block", "column"),
    [
        (None, LONG_S, 2**17, None, "_y"),
        (None, 0.0, 1_000, 64, "_y"),
        (50, 0.0, 600, None, "good"),
        (50, LONG_S, 2**17, 64, "good"),
    ],
)
def test_labels_that_turn_in_mid_file_alarm_as_in_the_stream(
    connection: Connection,
    settings: Settings,
    reference: FittedReference,
    write_rows: WriteRows,
    monkeypatch: pytest.MonkeyPatch,
    slide: int | None,
    cooldown_s: float,
    chunk_bytes: int,
    block: int | None,
    column: str,
) -> None:
    monkeypatch.setattr("streamgauge.drift.source.CHUNK_BYTES", chunk_bytes)
    x = normal_rows(1_280, 31)
    labels = label_texts(x, 32, turned=700)
    labels[::9] = [""] * len(labels[::9])  # not known
    labels[1::27] = [{"yes": "1", "no": "0.0"}.get(each, "") for each in labels[1::27]]
    if block is None:
        labels[40:1_000:130] = ["perhaps"] * len(labels[40:1_000:130])
    path = write_rows("turned.csv", x, labels, column)
    own = msgspec.structs.replace(settings, slide_records=slide, retrain_cooldown_s=cooldown_s)
    label = None if column == "_y" else column
    windows = assert_judged_alike(connection, own, named(reference, label), path, block, label)
    alarms = [window.alarm for window in windows if window.alarm is not None and window.alarm.line is not None]
    first = next(alarm for alarm in alarms if alarm.detector == concept.NAME)
    assert first.line is not None
    assert 702 < first.line < 740
    assert first.first_line is not None
    assert 690 < first.first_line <= first.line
    tested = sum(window.labels.tested for window in windows if window.labels is not None)
    assert tested == sum(each not in {"", "perhaps"} for each in labels)
    assert sum(window.skipped for window in windows) >= labels.count("perhaps")


def test_features_and_labels_that_change_together_are_judged_as_in_the_stream(
    connection: Connection,
    settings: Settings,
    reference: FittedReference,
    write_rows: WriteRows,
) -> None:
    x = normal_rows(1_000, 33, shift=0.7, begin=300)
    path = write_rows("both.csv", x, label_texts(x, 34, turned=600))
    windows = assert_judged_alike(
        connection, msgspec.structs.replace(settings, retrain_cooldown_s=0.0), reference, path
    )
    found = {window.alarm.detector for window in windows if window.alarm is not None}
    assert concept.NAME in found
    assert len(found) > 1


def test_the_labels_of_the_named_column_are_those_of_y(reference: FittedReference, write_rows: WriteRows) -> None:
    x = normal_rows(600, 35)
    labels = label_texts(x, 36, turned=300)
    plain, by_y = judged(write_rows, reference, x, labels)
    other, by_name = judged(write_rows, named(reference), x, labels, "good")
    assert msgspec.to_builtins(plain) == msgspec.to_builtins(other)
    assert by_y.labels is not None
    assert by_name.labels == msgspec.structs.replace(by_y.labels, column="good")
    assert by_y.labels.tested == 600
    assert by_y.labels.log_loss is not None
    assert by_y.labels.log_loss > 2 * by_y.labels.reference_log_loss
    assert any(window.alarm is not None for window in plain)


def test_a_column_y_goes_before_the_named_one(reference: FittedReference, write_rows: WriteRows) -> None:
    x = normal_rows(300, 37)
    labels = label_texts(x, 38)
    both = [f"{label},nothing" for label in labels]
    windows, history = judged(write_rows, named(reference), x, both, "_y,good")
    alone, _ = judged(write_rows, reference, x, labels)
    assert msgspec.to_builtins(windows) == msgspec.to_builtins(alone)
    assert history.labels is not None
    assert (history.labels.column, history.labels.unknown) == ("_y", 0)


def test_rows_of_an_unknown_class_are_skipped_and_counted(
    reference: FittedReference, write_rows: WriteRows
) -> None:
    x = normal_rows(300, 39)
    labels = label_texts(x, 40)
    labels[0], labels[100], labels[200] = "maybe", "Yes", "2"
    windows, history = judged(write_rows, named(reference), x, labels, "good")
    assert history.labels is not None
    assert (history.labels.tested, history.labels.unknown) == (297, 3)
    assert (history.records, history.skipped) == (297, 3)
    assert sum(window.skipped for window in windows) == 3


def test_without_a_column_of_labels_nothing_is_said_of_any(
    reference: FittedReference, write_rows: WriteRows
) -> None:
    x = normal_rows(600, 41, shift=1.0, begin=400)
    windows, history = judged(write_rows, named(reference), x)
    assert history.labels is None
    assert all(window.labels is None for window in windows)
    assert {window.readings[-1].statistic for window in windows} == {0.0}
    with_labels, _ = judged(write_rows, reference, x, label_texts(x, 42))
    assert without_labels(windows) == without_labels(with_labels)


def test_a_reference_without_classes_judges_no_labels(reference: FittedReference, write_rows: WriteRows) -> None:
    x = normal_rows(600, 43)
    bare, _ = judged(write_rows, reference, x)
    unlabelled = named(reference, None, labelled=False)
    windows, history = judged(write_rows, unlabelled, x, ["whatever"] * 600)
    assert history.labels is None
    assert (history.records, history.skipped) == (600, 0)
    assert msgspec.to_builtins(windows) == msgspec.to_builtins(bare)


def test_of_a_smaller_share_of_rows_the_labels_are_tested(
    reference: FittedReference, write_rows: WriteRows
) -> None:
    x = normal_rows(ROWS, 44)
    labels = label_texts(x, 45)
    for share, least, most in ((0.5, 0.4 * ROWS, 0.6 * ROWS), (0.0, 0, 0)):
        own = msgspec.structs.replace(OWN, sample_share=share)
        _, history = judged(write_rows, reference, x, labels, own=own)
        assert history.labels is not None
        assert least <= history.labels.tested <= most
        assert history.records == ROWS
