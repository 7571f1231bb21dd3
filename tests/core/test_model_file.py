"""The model file: equal models, equal bytes; altered bytes never give another model."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Callable
from functools import cache

import msgspec
import numpy as np
import pytest

from core.calibration import Calibration
from core.drift_null import TAILS
from core.errors import ModelFileError, UnknownModelFormat
from core.model import LogisticModel
from core.model_file import FORMAT, ModelFile, read_model_file
from core.profile import TrainingProfile
from core.schema import Schema
from core.threshold_rule import EVEN, ThresholdRule
from tests.drift_references import quick_concept, quick_reference


@cache
def small_file() -> ModelFile:
    names = ("a", "Größe")
    model = LogisticModel(
        Schema(names, ("Kecimen", "Besni")),
        np.array([1.5, -2e-7]),
        0.1,
        np.array([3.0, 4.0]),
        np.array([5.0, 6e9]),
    )
    profile = TrainingProfile(
        names, 720, np.array([3.0, 4.0]), np.array([5.0, 0.0]), np.eye(2), np.linspace(0.5, 4, len(TAILS)), 7
    )
    rows = np.random.default_rng(1).normal(size=(40, 2))
    return ModelFile(model, profile, quick_reference(model, profile, rows), quick_concept(model, rows))


def _content(file: ModelFile) -> tuple[object, ...]:
    model, profile = file.model, file.profile
    arrays = (
        model.coefficients, model.center, model.scale,
        profile.mean, profile.standard_deviation, profile.correlation, profile.null_quantiles,
    )  # fmt: skip
    return (
        model.schema, model.intercept, profile.features, profile.rows, profile.seed,
        *((array.dtype.str, array.shape, array.tobytes()) for array in arrays),
    )  # fmt: skip


def test_what_is_read_is_what_was_written() -> None:
    loaded = read_model_file(small_file().encoded, small_file().sha256)
    assert _content(loaded) == _content(small_file())
    assert loaded.encoded == small_file().encoded


def test_equal_models_give_equal_bytes() -> None:
    twice = dataclasses.replace(small_file())
    rewritten = dataclasses.replace(read_model_file(small_file().encoded))
    assert twice.encoded == rewritten.encoded == small_file().encoded
    assert twice.sha256 == small_file().sha256


CALIBRATIONS = [
    Calibration("platt", np.array([0.7, -0.4])),
    Calibration("temperature", np.array([1.25, 0.0])),
    Calibration("isotonic", np.array([[-4.0, 0.0, 0.1, 9.0], [0.1, 0.4, 0.4, 0.8]])),
]


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda each: each.kind)
def test_calibration_and_operating_point_come_back(calibration: Calibration) -> None:
    rule = ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0)
    model = dataclasses.replace(small_file().model, calibration=calibration, threshold=0.13)
    file = dataclasses.replace(small_file(), model=model, calibrate="auto", threshold_rule=rule)
    loaded = read_model_file(file.encoded)
    assert _content(loaded) == _content(small_file())
    assert loaded.model.calibration is not None
    assert loaded.model.calibration.kind == calibration.kind
    assert loaded.model.calibration.values.tobytes() == calibration.values.tobytes()
    assert (loaded.model.threshold, loaded.calibrate, loaded.threshold_rule) == (0.13, "auto", rule)
    assert dataclasses.replace(loaded).encoded == file.encoded
    x = np.random.default_rng(0).normal(size=(9, 2)) * 1e9
    assert loaded.model.score(x).probability.tobytes() == model.score(x).probability.tobytes()


def test_a_file_without_calibration_has_none() -> None:
    loaded = read_model_file(small_file().encoded)
    assert (loaded.model.calibration, loaded.model.threshold) == (None, 0.5)
    assert (loaded.calibrate, loaded.threshold_rule) == ("none", EVEN)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (None, [1.0, 0.0]),
        ("platt", []),
        ("platt", [-1.0, 0.0]),
        ("platt", [np.nan, 0.0]),
        ("temperature", [1.0, 0.5]),
        ("isotonic", [1.0, 0.5]),
        ("isotonic", [[0.0, 1.0], [0.6, 0.5]]),
        ("isotonic", [[0.0, 1.0], [0.6, 1.5]]),
        ("beta", [1.0, 0.0]),
    ],
)
def test_a_calibration_that_is_none_is_refused(kind: str | None, values: object) -> None:
    with pytest.raises(ModelFileError):
        read_model_file(_rebuilt(header=_header(calibration=kind), calibration=_npy(np.array(values))))


def test_memory_order_does_not_reach_the_bytes() -> None:
    correlation = np.array([[1.0, 0.25], [0.5, 1.0]])  # not symmetric, so that a transposed copy would show
    profile = dataclasses.replace(small_file().profile, correlation=correlation)
    fortran = dataclasses.replace(profile, correlation=np.asfortranarray(correlation))
    file = small_file()
    first, second = (dataclasses.replace(file, profile=each) for each in (profile, fortran))
    assert first.encoded == second.encoded
    assert read_model_file(first.encoded).profile.correlation.tolist() == correlation.tolist()


def test_a_wrong_digest_is_refused() -> None:
    with pytest.raises(ModelFileError, match="SHA-256"):
        read_model_file(small_file().encoded, "0" * 64)


def test_every_truncation_is_refused() -> None:
    data = small_file().encoded
    for length in range(len(data)):
        with pytest.raises(ModelFileError):
            read_model_file(data[:length])


@pytest.mark.parametrize("change", [lambda byte: byte ^ 0xFF, lambda byte: byte ^ 1, lambda byte: byte ^ 0x0C])
def test_no_altered_byte_gives_another_model(change: Callable[[int], int]) -> None:
    data = small_file().encoded
    expected = _content(small_file())
    refused = 0
    for position in range(len(data)):
        altered = bytearray(data)
        altered[position] = change(altered[position])
        try:
            loaded = read_model_file(bytes(altered))
        except ModelFileError:
            refused += 1
        else:
            assert _content(loaded) == expected, position
    assert refused > len(data) / 2  # the rest are dates, attributes and the like


def test_an_array_that_claims_half_precision_is_refused() -> None:
    """numpy.load stops before the checksum is compared, and reads other numbers from half of the bytes."""
    d = 60  # arrays over 4 kB: smaller ones are read in one piece, with their checksum
    names = tuple(f"f{index}" for index in range(d))
    correlation = np.atleast_2d(np.corrcoef(np.random.default_rng(0).normal(size=(d, 200))))
    model = LogisticModel(Schema(names), np.ones(d), 0.0, np.ones(d), np.ones(d))
    profile = TrainingProfile(names, 10, np.ones(d), np.ones(d), correlation, np.ones(len(TAILS)), 0)
    rows = np.random.default_rng(1).normal(size=(100, d))
    data = ModelFile(model, profile, quick_reference(model, profile, rows), quick_concept(model, rows)).encoded
    place = data.index(b"<f8", data.index(b"correlation.npy"))
    for kind in (b"<f4", b"<f2", b"<i4", b">f8", b"<i8"):
        with pytest.raises(ModelFileError):
            read_model_file(data[:place] + kind + data[place + 3 :])
    shorter = data[:place] + data[place:].replace(b"(60, 60)", b"(60, 30)", 1)
    with pytest.raises(ModelFileError):
        read_model_file(shorter)


def _rebuilt(**members: bytes | None) -> bytes:
    """The small file with some members replaced (or left out), checksums right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(small_file().encoded)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = members.get(info.filename.removesuffix(".npy"), old.read(info))
            if content is not None:
                new.writestr(info, content)
    return out.getvalue()


def _npy(array: object, allow_pickle: bool = False) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), version=(1, 0), allow_pickle=allow_pickle)
    return out.getvalue()


def _header(**changes: object) -> bytes:
    header: dict[str, object] = {
        "kind": "logistic", "features": ["a", "Größe"], "classes": ["Kecimen", "Besni"],
        "intercept": 0.1, "profile_rows": 720, "profile_seed": 7,
        "drift_rows": 40, "drift_seed": 0, "drift_known_truth": False, "format": FORMAT,
    }  # fmt: skip
    return _npy(np.frombuffer(msgspec.json.encode(header | changes), np.uint8))


def test_the_rebuilt_file_is_taken_where_nothing_is_wrong() -> None:
    assert _content(read_model_file(_rebuilt(header=_header()))) == _content(small_file())


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ["a"]}, {"features": ["a", "a"]}, {"features": ["a", "_b"]}, {"features": []},
        {"features": "ab"}, {"features": ["a", 1]}, {"classes": ["x", "x"]}, {"classes": ["x"]},
        {"intercept": None}, {"intercept": "1"}, {"profile_rows": 0}, {"profile_rows": -5}, {"profile_rows": 1.5},
        {"features": ["a", "b", "c"]}, {"drift_rows": 0}, {"drift_rows": -1}, {"drift_known_truth": 1},
        {"threshold": -0.1}, {"threshold": 2}, {"threshold": None}, {"calibrate": "beta"},
        {"calibration": "platt"}, {"threshold_rule": {"by": "cost"}}, {"threshold_rule": {"by": "luck"}},
        {"threshold_rule": {"at": 9}},
    ],
)  # fmt: skip
def test_a_hostile_header_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelFileError):
        read_model_file(_rebuilt(header=_header(**changes)))


@pytest.mark.parametrize("changes", [{"format": FORMAT + 1}, {"kind": "forest"}])
def test_a_file_of_another_version_says_so(changes: dict[str, object]) -> None:
    with pytest.raises(UnknownModelFormat, match="upgrade"):
        read_model_file(_rebuilt(header=_header(**changes)))
    with pytest.raises(UnknownModelFormat, match="upgrade"):  # whatever members that version has
        read_model_file(_rebuilt(header=_header(**changes), center=None, mean=_npy(["x"])))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("coefficients", np.ones(3)), ("coefficients", np.ones(2, np.float32)), ("coefficients", ["a", "b"]),
        ("coefficients", np.ones(2, complex)), ("coefficients", [np.nan, 1.0]), ("scale", [-1.0, 1.0]),
        ("mean", np.ones((2, 1))), ("mean", [np.inf, 0.0]), ("standard_deviation", np.ones(3)),
        ("standard_deviation", [-1.0, 1.0]), ("correlation", np.ones(4)),
        ("correlation", [[1.0, np.nan], [0.0, 1.0]]), ("null_quantiles", np.ones(3)),
        ("null_quantiles", np.full(len(TAILS), np.nan)), ("header", np.ones(5)),
        ("drift_index", [5.0]), ("drift_index", [0.5]), ("drift_index", [-1.0]), ("drift_index", np.empty(0)),
        ("drift_whitening", np.ones((2, 2))), ("drift_whitening", [[np.nan]]), ("drift_edges", np.zeros((3, 8))),
        ("drift_binned_rows", [41.0]), ("drift_binned_rows", [0.0]),
        ("drift_scalars", [0.0] * 6), ("drift_innovation", [0.0, 1.0]), ("drift_shares", np.full((3, 10), -1.0)),
        ("drift_thresholds", np.ones((2, 3))),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(name: str, array: object) -> None:
    with pytest.raises(ModelFileError):
        read_model_file(_rebuilt(**{name: _npy(array)}))


def test_a_missing_member_is_refused() -> None:
    with pytest.raises(ModelFileError):
        read_model_file(_rebuilt(null_quantiles=None))


def test_no_pickle_is_ever_opened() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("a pickle was opened",))

    array = np.empty(2, dtype=object)
    array[:] = Bomb()
    with pytest.raises(ModelFileError):
        read_model_file(_rebuilt(coefficients=_npy(array, allow_pickle=True)))


def test_a_small_file_cannot_become_a_large_one() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", b"\x00" * 50_000_000)
    with pytest.raises(ModelFileError):
        read_model_file(out.getvalue())
    claims = _npy(np.ones(2)).replace(b"(2,), }" + b" " * 12, b"(999999999999,), } ")
    assert b"999999999999" in claims
    with pytest.raises(ModelFileError):
        read_model_file(_rebuilt(coefficients=claims))


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", b"\x93NUMPY\x01\x00", b"\x80\x04N."])
def test_bytes_of_another_kind_are_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError, match="not a whole model file"):
        read_model_file(data)


def test_a_file_over_the_limit_is_refused_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.model_file.MAX_BYTES", 1000)
    with pytest.raises(ModelFileError, match="at most 1000"):
        read_model_file(small_file().encoded)
