"""The model file: a model, the profile of its training rows and their drift reference, one ``npz`` without pickle.

Equal models give equal bytes: members in a fixed order, stored uncompressed, with a fixed date.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.calibration import Calibration, CalibrationKind, CalibrationRequest
from core.concept_reference import ConceptReference, concept_reference_of
from core.drift.reference import ARRAYS as DRIFT_ARRAYS
from core.drift.reference import DriftReference, read_reference
from core.drift_null import TAILS
from core.errors import ModelFileError, SchemaError, UnknownModelFormat
from core.model import LogisticModel
from core.npz import encode_npz
from core.profile import TrainingProfile
from core.schema import Schema
from core.threshold_rule import EVEN, EVEN_THRESHOLD, ThresholdRule

#: Version of the file's layout, as it is written.
FORMAT = 4
#: The oldest that is read: models without calibration, which decide at even odds.
OLDEST_FORMAT = 3
#: The first format that has a member for the calibration.
_CALIBRATION_SINCE = 4
#: A model file larger than this is refused before it is unpacked (500 features take 2 MB).
MAX_BYTES = 64 * 1024 * 1024
#: Its members are listed in less than a kilobyte.
MAX_DIRECTORY_BYTES = 4096
#: The last record of a zip file, and the length of the one that may stand before it in a large one.
_END = struct.Struct("<4s4H2LH")
_LOCATOR_BYTES = 20
_ARRAYS = (
    "coefficients",
    "center",
    "scale",
    "mean",
    "standard_deviation",
    "correlation",
    "null_quantiles",
    *DRIFT_ARRAYS,
    "concept",
)
#: Stands for the calibration of a model without.
_NO_VALUES = np.empty(0)
_FLOATS = np.dtype("<f8")
_BYTES = np.dtype(np.uint8)


class _Version(msgspec.Struct, frozen=True):
    """What can be read of the header of any version."""

    format: int
    kind: str


class _Header(msgspec.Struct, frozen=True):
    """What is not an array."""

    format: int
    kind: str
    features: tuple[str, ...]
    classes: tuple[str, str]
    intercept: float
    profile_rows: int
    profile_seed: int
    drift_rows: int
    drift_seed: int
    drift_known_truth: bool
    # absent in format 3
    threshold: float = EVEN_THRESHOLD
    calibration: CalibrationKind | None = None
    calibrate: CalibrationRequest = "none"
    threshold_rule: ThresholdRule = EVEN


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A model with all that its records are judged against, and what was asked of its trainer."""

    model: LogisticModel
    profile: TrainingProfile
    drift: DriftReference
    concept: ConceptReference
    calibrate: CalibrationRequest = "none"  #: what was asked for, and is asked again of the model's successors
    threshold_rule: ThresholdRule = EVEN  #: the same of the operating point

    @cached_property
    def encoded(self) -> bytes:
        """The file's bytes."""
        model, profile = self.model, self.profile
        header = _Header(
            FORMAT,
            "logistic",
            model.schema.features,
            model.schema.classes,
            float(model.intercept),
            profile.rows,
            profile.seed,
            self.drift.rows,
            self.drift.seed,
            self.drift.known_truth,
            float(model.threshold),
            None if model.calibration is None else model.calibration.kind,
            self.calibrate,
            self.threshold_rule,
        )
        arrays: dict[str, NDArray[np.generic]] = {
            "header": np.frombuffer(msgspec.json.encode(header), dtype=np.uint8),
            "coefficients": model.coefficients.astype(_FLOATS),
            "center": model.center.astype(_FLOATS),
            "scale": model.scale.astype(_FLOATS),
            "mean": profile.mean.astype(_FLOATS),
            "standard_deviation": profile.standard_deviation.astype(_FLOATS),
            "correlation": profile.correlation.astype(_FLOATS),
            "null_quantiles": profile.null_quantiles.astype(_FLOATS),
            **{name: array.astype(_FLOATS) for name, array in self.drift.arrays().items()},
            "concept": self.concept.values.astype(_FLOATS),
            "calibration": (_NO_VALUES if model.calibration is None else model.calibration.values).astype(_FLOATS),
        }
        return encode_npz(arrays)

    @cached_property
    def sha256(self) -> str:
        """Digest of the file's bytes."""
        return hashlib.sha256(self.encoded).hexdigest()


def read_model_file(data: bytes, sha256: str | None = None) -> ModelFile:
    """Decode a model file, after checking its digest where one is given.

    Raises
    ------
    UnknownModelFormat
        A file of a newer version than this one, or of one that is not read any more.
    ModelFileError
        Bytes that are cut short, altered, or no model file at all.
    """
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ModelFileError(
            "the model file's SHA-256 does not match; promote the run again, which restores it where another "
            "copy is whole, else roll back or fit again"
        )
    if len(data) > MAX_BYTES:
        raise ModelFileError(f"the model file has {len(data)} bytes; at most {MAX_BYTES} are accepted")
    header, arrays = _read_members(data)
    try:
        schema = Schema(header.features, header.classes)
        model = LogisticModel(
            schema,
            arrays["coefficients"],
            header.intercept,
            arrays["center"],
            arrays["scale"],
            _calibration(header, arrays["calibration"]),
            header.threshold,
        )
        concept = concept_reference_of(arrays["concept"])
    except (SchemaError, ValueError) as error:
        raise ModelFileError(f"the model file contradicts itself: {error}") from error
    profile, drift = _profile(header, arrays), _drift(header, arrays)
    if not np.array_equal(drift.transform.index, np.flatnonzero(profile.varies)):
        raise ModelFileError(
            "the model file's drift reference is of other features than vary; fit the model again"
        )
    loaded = ModelFile(model, profile, drift, concept, header.calibrate, header.threshold_rule)
    loaded.__dict__["encoded"] = data
    return loaded


def _read_members(data: bytes) -> tuple[_Header, dict[str, NDArray[Any]]]:
    """Header and arrays. Raises ModelFileError, UnknownModelFormat."""
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            told = _member(archive, "header", _BYTES).tobytes()
            _check_version(msgspec.json.decode(told, type=_Version))
            header = msgspec.json.decode(told, type=_Header)
            arrays = {name: _member(archive, name, _FLOATS) for name in _ARRAYS}
            calibrates = header.format >= _CALIBRATION_SINCE
            arrays["calibration"] = _member(archive, "calibration", _FLOATS) if calibrates else _NO_VALUES
    except UnknownModelFormat:
        raise
    except Exception as error:
        raise ModelFileError(
            f"this is not a whole model file ({type(error).__name__}); fit again or roll back"
        ) from error
    return header, arrays


def _check_version(version: _Version) -> None:
    """Refuse a version before anything else of it is looked at, which may be unlike ours."""
    if version.format > FORMAT or version.kind != "logistic":
        raise UnknownModelFormat(
            f"model file format {version.format} of kind {version.kind!r} is not known here; upgrade streamgauge",
            newer=True,
        )
    if version.format < OLDEST_FORMAT:
        raise UnknownModelFormat(
            f"model file format {version.format} is older than this program; replace the model by `streamgauge "
            "fit --new-schema`",
            newer=False,
        )


def _check_directory(data: bytes) -> None:
    """Refuse a directory that no model has: to list a million members takes a gigabyte of memory."""
    signature, _, _, _, _, size_bytes, _, comment = _END.unpack(data[-_END.size :])
    large = data[-_END.size - _LOCATOR_BYTES :].startswith(b"PK\x06\x07")  # then another directory counts
    if signature != b"PK\x05\x06" or comment or large or size_bytes > MAX_DIRECTORY_BYTES:
        raise ValueError("the end of the archive is not as written here")


def _member(archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """One array of the archive, whole and unaltered.

    ``np.load`` stops reading where the array's own header says that it ends, and the checksum is compared only at
    the member's end: one altered byte ("<f8" to "<f4" in an array over 4 kB) gave other numbers and no error.
    Nothing is unpacked, so no small file becomes a large one.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    content = archive.read(info)  # compares the checksum
    member = io.BytesIO(content)
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError(f"{name} has another array format")
    shape, fortran_order, found = np.lib.format.read_array_header_1_0(member)
    if found != dtype or fortran_order or len(content) - member.tell() != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} is no array of {dtype} as written here")
    return np.frombuffer(content, dtype, offset=member.tell()).reshape(shape)


def _calibration(header: _Header, values: NDArray[Any]) -> Calibration | None:
    """Raises ValueError."""
    if header.calibration is not None:
        return Calibration(header.calibration, values)
    if values.shape != _NO_VALUES.shape:
        raise ValueError("it has values of a calibration and says that it has none")
    return None


def _profile(header: _Header, arrays: dict[str, NDArray[Any]]) -> TrainingProfile:
    mean, deviation, correlation = arrays["mean"], arrays["standard_deviation"], arrays["correlation"]
    quantiles = arrays["null_quantiles"]
    d = len(header.features)
    if (mean.shape, deviation.shape, correlation.shape, quantiles.shape) != ((d,), (d,), (d, d), TAILS.shape):
        raise ModelFileError("the model file's profile does not fit its features; fit the model again")
    finite = all(np.isfinite(values).all() for values in (mean, deviation, correlation, quantiles))
    if not finite or (deviation < 0).any() or header.profile_rows < 1:
        raise ModelFileError("the model file's profile holds impossible numbers; fit the model again")
    return TrainingProfile(
        header.features, header.profile_rows, mean, deviation, correlation, quantiles, header.profile_seed
    )


def _drift(header: _Header, arrays: dict[str, NDArray[Any]]) -> DriftReference:
    try:
        return read_reference(
            arrays,
            header.drift_rows,
            header.drift_seed,
            len(header.features),
            known_truth=header.drift_known_truth,
        )
    except ValueError as error:
        raise ModelFileError(
            f"the model file's drift reference cannot be used ({error}); fit the model again"
        ) from error
