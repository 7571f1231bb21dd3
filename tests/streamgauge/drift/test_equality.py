"""A file is judged as the stream judges its rows: same windows, same readings, same alarms, to the bit."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from core.connection import Connection
from core.drift_window import Alarm, DriftWindow
from core.entry import entries_of
from core.fields import decode_fields
from core.keys import PipelineKeys
from core.redis_registry import RedisRegistry
from core.settings import Settings
from producer.commands import produce
from producer.sources import open_source
from streamgauge.drift.file_window import FileWindow, file_window
from streamgauge.drift.reference import FittedReference, Reference
from streamgauge.drift.run import judge_file
from streamgauge.drift.source import CHUNK_BYTES
from tests.monitor.driver import Driver
from tests.streamgauge.drift.conftest import FEATURES, LONG_S, WriteRows, normal_rows

#: Lines that each say something else about what may stand in a file.
ODD_LINES = (
    "short,1.0",
    "",
    "no number,1.0,big,2.0",
    "not finite,nan,2.0,3.0",
    "too large,1e999,2.0,3.0",
    "empty,,2.0,3.0",
    '"quoted, with a comma",3.0,"3.1",2.9',
    '"over two\nlines",3.0,3.1,2.9',
    "another spelling,+3.0,03.1,2.9e0",
    "overflows,1e308,-1e308,1e308",
    "spaces, 3.0,3.1,2.9",
    "umlaut ä,3.0,3.1,2.9",
)


def written_with_odd_lines(path: Path) -> Path:
    """Put odd lines into a file, some of them one after the other and some where windows end."""
    header, *lines = path.read_text().splitlines()
    for number, odd in enumerate(ODD_LINES * 2):
        lines.insert(50 + 37 * number, odd)
    lines[100:100] = ODD_LINES[:4]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def judged_by_stream(
    connection: Connection,
    keys: PipelineKeys,
    settings: Settings,
    path: Path,
    block: int | None,
    label: str | None = None,
) -> list[DriftWindow]:
    """Push a file, and let a monitor read it to its end."""
    produce(settings, str(path), Console(stderr=True, quiet=True), block=block, label=label)
    for _ in Driver(connection, keys, settings).live():
        pass
    return [
        decode_fields(entry, DriftWindow) for entry in entries_of(connection.call("XRANGE", keys.drift, "-", "+"))
    ]


def with_lines(windows: list[DriftWindow], lines: dict[str, int]) -> list[FileWindow]:
    """The stream's windows with the lines of their records; those have no ids of their own."""

    def record(record_id: str) -> str:
        _, ms, seq, row = record_id.split("-")
        return f"0-1-{lines[f'{ms}-{seq}'] + int(row)}-0"

    def alarm(found: Alarm) -> Alarm:
        return msgspec.structs.replace(found, record=record(found.record), first=record(found.first))

    return [
        file_window(
            msgspec.structs.replace(
                window,
                first=record(window.first),
                last=record(window.last),
                alarm=None if window.alarm is None else alarm(window.alarm),
            )
        )
        for window in windows
    ]


def judged_offline(reference: Reference, settings: Settings, path: Path) -> list[FileWindow]:
    windows: list[FileWindow] = []
    judge_file(path, reference, settings, Console(stderr=True, quiet=True), windows.append)
    return windows


def assert_judged_alike(
    connection: Connection,
    settings: Settings,
    reference: Reference,
    path: Path,
    block: int | None = None,
    label: str | None = None,
) -> list[FileWindow]:
    """The file gives the windows of the stream, into which it is pushed with its labels; returns them."""
    keys = settings.keys
    RedisRegistry(connection, keys).promote("run0", reference.file, 0, "first")
    live = judged_by_stream(connection, keys, settings, path, block, label)
    records = entries_of(connection.call("XRANGE", keys.partition(0).records, "-", "+"))
    with open_source(str(path), label_column=label) as source:
        numbers = [row.line for row in source]
    first_rows = numbers[:: block or 1]
    lines = {entry.id.decode(): number for entry, number in zip(records, first_rows, strict=True)}
    offline = judged_offline(reference, settings, path)
    assert [msgspec.to_builtins(window) for window in offline] == [
        msgspec.to_builtins(window) for window in with_lines(live, lines)
    ]
    return offline


@pytest.mark.parametrize(
    ("slide", "cooldown_s", "chunk_bytes"),
    [(None, LONG_S, CHUNK_BYTES), (50, LONG_S, 600), (None, 0.0, 600), (50, 0.0, 2_000)],
)
def test_a_file_with_odd_lines_is_judged_as_the_stream_judges_it(
    connection: Connection,
    settings: Settings,
    reference: FittedReference,
    write_rows: WriteRows,
    monkeypatch: pytest.MonkeyPatch,
    slide: int | None,
    cooldown_s: float,
    chunk_bytes: int,
) -> None:
    monkeypatch.setattr("streamgauge.drift.source.CHUNK_BYTES", chunk_bytes)
    path = written_with_odd_lines(write_rows("odd.csv", normal_rows(1_230, 3, shift=1.0, begin=600)))
    settings = msgspec.structs.replace(settings, slide_records=slide, retrain_cooldown_s=cooldown_s)
    windows = assert_judged_alike(connection, settings, reference, path)
    assert sum(window.alarm is not None for window in windows) > 1
    assert any(window.skipped for window in windows)


def test_rows_pushed_in_blocks_are_judged_as_a_file_is(
    connection: Connection, settings: Settings, reference: FittedReference, write_rows: WriteRows
) -> None:
    path = write_rows("blocks.csv", normal_rows(1_024, 4, shift=-1.0, begin=700))
    windows = assert_judged_alike(connection, settings, reference, path, block=64)
    assert any(window.alarm is not None for window in windows)


def test_rows_with_ids_event_times_and_labels_are_judged_as_the_stream_judges_them(
    connection: Connection, settings: Settings, reference: FittedReference, tmp_path: Path
) -> None:
    beside = (
        ("an id", "1700000000000", "yes"),
        ("an id", "", ""),
        ("x" * 200, "", ""),  # too long an id
        ("an id", "yesterday", ""),
        ("an id", "", "perhaps"),
    )
    lines = [
        ",".join([*beside[0 if number % 7 else number % 5], *map(repr, row)])
        for number, row in enumerate(normal_rows(300, 5).tolist())
    ]
    path = tmp_path / "beside.csv"
    path.write_text("\n".join(["_id,_ts,_y," + ",".join(FEATURES), *lines]) + "\n")
    keys = settings.keys
    RedisRegistry(connection, keys).promote("run0", reference.file, 0, "first")
    live = judged_by_stream(connection, keys, settings, path, None)
    offline = judged_offline(reference, settings, path)
    figures = [(window.n, window.skipped, window.score, window.readings) for window in live]
    assert [(window.n, window.skipped, window.score, window.readings) for window in offline] == figures
    assert sum(window.skipped for window in offline) > 20
