"""The picture of a judged file."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import msgspec
import pytest

from core.errors import SettingsError, UsageError
from monitor.detectors import concept
from streamgauge.drift.file_labels import FileLabels
from streamgauge.drift.history import History
from streamgauge.drift.picture import checked_picture, draw
from tests.streamgauge.drift.test_table import window


@pytest.fixture
def matplotlib_is_there() -> None:
    """Pictures can be drawn; a failure in CI and a named skip elsewhere."""
    if importlib.util.find_spec("matplotlib") is None:
        if os.environ.get("CI"):
            pytest.fail("matplotlib is missing; install the extra report")
        pytest.skip("matplotlib is missing; install the extra report")


def history(windows: int, features: int = 2, alarms: int = 3, extra: tuple[str, ...] = ()) -> History:
    names = ("a", "b", *extra, *(f"feature {number}" for number in range(2, features)))
    made = History(names)
    for number in range(1, windows + 1):
        each = window(number, 0.2 + number / windows, alarm=number > windows - alarms)
        each.z.update(dict.fromkeys(names[2:], 0.1))
        made.add(each)
    return made


@pytest.mark.usefixtures("matplotlib_is_there")
@pytest.mark.parametrize(("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PNG", b"\x89PNG")])
@pytest.mark.parametrize(("windows", "features"), [(0, 2), (1, 2), (700, 50)])
def test_a_picture_is_written_the_same_each_time(
    tmp_path: Path, ending: str, begins: bytes, windows: int, features: int
) -> None:
    first, second = tmp_path / f"first{ending}", tmp_path / f"second{ending}"
    for path in (first, second):
        draw(path, history(windows, features), title="a file judged by a model")
    assert first.read_bytes().startswith(begins)
    assert len(first.read_bytes()) > 5_000
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.usefixtures("matplotlib_is_there")
def test_alarms_and_features_are_named_in_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "report.svg"
    draw(path, history(20, alarms=4), title="a <file> judged by $a model$")
    text = path.read_text()
    assert "4 alarms of mean_abs_z" in text
    assert "threshold" in text


@pytest.mark.usefixtures("matplotlib_is_there")
def test_the_detector_of_labels_is_drawn_where_there_are_labels(tmp_path: Path) -> None:
    path = tmp_path / "report.svg"
    one = history(20, alarms=0)
    draw(path, one, title="")
    assert "by logarithms" not in path.read_text()
    one.labels = FileLabels(column="good", tested=200, unknown=0, log_loss=0.4, reference_log_loss=0.3)
    last = msgspec.structs.replace(
        window(21).readings[-1], detector=concept.NAME, statistic=12_000.0, threshold=1e4
    )
    drifted = window(21, alarm=True)
    assert drifted.alarm is not None
    alarm = msgspec.structs.replace(drifted.alarm, detector=concept.NAME)
    one.add(msgspec.structs.replace(drifted, alarm=alarm, readings=[*drifted.readings[:-1], last]))
    draw(path, one, title="")
    assert "concept (labels; by logarithms)" in path.read_text()
    assert "1 alarm of concept" in path.read_text()


@pytest.mark.usefixtures("matplotlib_is_there")
def test_names_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "report.png"
    draw(path, history(3, extra=("$x_{$", "100 % $", "\u540d\u524d", "_", "l\x1b[2J")), title="$\\nothing$ {")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("matplotlib_is_there")
def test_a_picture_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UsageError, match=r"taken\.png"):
        draw(tmp_path / "taken.png", history(3), title="")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.png or \.svg"):
        checked_picture(tmp_path / "report.gif")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        checked_picture(tmp_path / "nowhere" / "report.png")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)  # as if it were not installed
    with pytest.raises(UsageError, match=r"\.\[report\]"):
        checked_picture(tmp_path / "report.png")
