"""The file of an imported model: what scikit-learn learnt, as JSON that people can read and nothing can run.

::

    {"streamgauge_import": 1,
     "steps": [{"class": "StandardScaler", "with_mean": true, "mean_": [...], "with_std": true, "scale_": [...]},
               {"class": "LogisticRegression", "classes_": ["no", "yes"], "coef_": [[...]], "intercept_": [...]}]}

The steps hold scikit-learn's own attributes under their own names; those that are not needed here are passed over.
docs/importing.md has the three statements that write it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.errors import DataError, SchemaError
from core.listing import listed
from core.miniflow import Parameter
from core.model import Floats
from core.schema import Schema

#: Version of the layout; another one is refused.
VERSION = 1
#: A thousand features take some 200 kB.
MAX_BYTES = 16 * 1024 * 1024
#: Where the docs tell how the file is written.
_WRITE_AGAIN = "write it again with the lines of docs/importing.md"

#: A class as JSON has it.
ClassValue = str | bool | int | float


class Scaler(msgspec.Struct, frozen=True, tag_field="class", tag="StandardScaler"):
    """scikit-learn's ``StandardScaler``; ``mean_`` is there too where it is not subtracted."""

    with_mean: bool = True
    mean_: list[float] | None = None
    with_std: bool = True
    scale_: list[float] | None = None
    feature_names_in_: list[str] | None = None


class Regression(msgspec.Struct, frozen=True, tag_field="class", tag="LogisticRegression"):
    """scikit-learn's ``LogisticRegression``."""

    classes_: list[ClassValue]
    coef_: list[list[float]]
    intercept_: list[float]
    feature_names_in_: list[str] | None = None
    multi_class: str = "auto"  #: versions before 1.8 have it
    C: float | None = None


class _Document(msgspec.Struct, frozen=True):
    steps: list[Scaler | Regression]


@dataclass(frozen=True, eq=False)
class ImportedModel:
    """A linear model of two classes: sigmoid(((x - center) / scale) @ coefficients + intercept) for class 1."""

    features: tuple[str, ...] | None  #: None: those of the CSV file, in its order
    classes: tuple[ClassValue, ClassValue]  #: scikit-learn's order: class 0, class 1
    coefficients: Floats  #: (d,)
    intercept: float
    scaled: bool  #: whether there is a scaler
    center: Floats  #: (d,) zeros where nothing is subtracted
    scale: Floats  #: (d,) above 0; ones where nothing is divided by
    inverse_l2: float | None  #: C it was trained with, where the file tells
    sha256: str  #: of the file

    @property
    def params(self) -> dict[str, Parameter]:
        """What a run records of it."""
        c = self.inverse_l2
        return {
            "steps": "StandardScaler, LogisticRegression" if self.scaled else "LogisticRegression",
            "c": c if c is None or np.isfinite(c) else "inf",
            "sha256": self.sha256,
        }


def read_imported(path: Path) -> ImportedModel:
    """Read the file of a ``LogisticRegression``, alone or behind one ``StandardScaler``.

    Raises
    ------
    DataError
        Anything that makes the file unusable, in one sentence with the place and what to do.
    """
    data = _bytes(path)
    try:
        return _model(_document(_json(data)), hashlib.sha256(data).hexdigest())
    except (DataError, SchemaError) as error:
        raise DataError(f"{path}: {error}") from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}; check the path") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a directory; give the path of a JSON file") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); mend it or choose another file") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES} bytes, as no such model has; check the path")
    return data


def _json(data: bytes) -> Any:
    # the standard library's reader: scikit-learn's C = inf is written as Infinity, which msgspec does not take
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        pickled = "a pickle is never read; " if data[:1] == b"\x80" else ""
        raise DataError(f"this is not JSON ({_cut(error)}); {pickled}{_WRITE_AGAIN}") from error


def _document(found: Any) -> _Document:
    version = found.get("streamgauge_import") if isinstance(found, dict) else None
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise DataError(f"this is version {version} of the format, which is not known here; upgrade streamgauge")
    if version != VERSION or isinstance(version, bool):
        raise DataError(f'this does not say "streamgauge_import": {VERSION}; {_WRITE_AGAIN}')
    steps = found.get("steps")
    kinds = [step.get("class") for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    known = [["LogisticRegression"], ["StandardScaler", "LogisticRegression"]]
    if kinds not in known or len(kinds) != len(steps):
        what = listed([str(kind) for kind in kinds]) or "none"
        raise DataError(
            f"its steps are {what}; only a LogisticRegression can be imported, alone or behind one StandardScaler"
        )
    try:
        return msgspec.convert(found, _Document)
    except msgspec.ValidationError as error:
        raise DataError(f"{_cut(error)}; {_WRITE_AGAIN}") from error


def _model(document: _Document, sha256: str) -> ImportedModel:
    regression = next(step for step in document.steps if isinstance(step, Regression))
    scaler = next((step for step in document.steps if isinstance(step, Scaler)), None)
    if regression.multi_class == "multinomial":
        raise DataError("it was trained with multi_class='multinomial', which has other odds; fit it without")
    classes = regression.classes_
    if len(classes) != 2 or len(regression.coef_) != 1 or len(regression.intercept_) != 1:
        raise DataError(
            f"it tells {len(classes)} classes apart with {len(regression.coef_)} rows of coefficients and "
            f"{len(regression.intercept_)} intercepts; only a model of two classes can be imported"
        )
    coefficients = _finite("coef_", regression.coef_[0])
    width = len(coefficients)
    center, scale = np.zeros(width), np.ones(width)
    if scaler is not None:
        center = _of_scaler("mean_", scaler.mean_, center) if scaler.with_mean else center
        scale = _of_scaler("scale_", scaler.scale_, scale) if scaler.with_std else scale
    if not (scale > 0).all():
        raise DataError("its scale_ holds a value that is not above 0; fit the scaler again")
    c = regression.C
    names = next((step.feature_names_in_ for step in document.steps if step.feature_names_in_ is not None), None)
    if names is not None:
        _check_names(names, width)
    return ImportedModel(
        features=None if names is None else tuple(names),
        classes=(classes[0], classes[1]),
        coefficients=coefficients,
        intercept=float(_finite("intercept_", regression.intercept_)[0]),
        scaled=scaler is not None,
        center=center,
        scale=scale,
        inverse_l2=c if c is not None and c > 0 else None,
        sha256=sha256,
    )


def _of_scaler(name: str, values: list[float] | None, like: Floats) -> Floats:
    """An attribute (d,) of the scaler, one value a coefficient."""
    if values is None:
        raise DataError(f"its scaler has no {name}; {_WRITE_AGAIN}, of a fitted pipeline")
    if len(values) != len(like):
        raise DataError(f"its {name} has {len(values)} values for {len(like)} coefficients; {_WRITE_AGAIN}")
    return _finite(name, values)


def _finite(name: str, values: list[float]) -> Floats:
    array = np.array(values, dtype=np.float64)
    if not len(array):
        raise DataError(f"its {name} is empty; fit it again")
    if not np.isfinite(array).all():
        raise DataError(f"its {name} holds a value that is not finite; fit it again")
    return array


def _check_names(names: list[str], width: int) -> None:
    if len(names) != width:
        raise DataError(f"it names {len(names)} features for {width} coefficients; {_WRITE_AGAIN}")
    Schema(tuple(names))


def _cut(error: Exception) -> str:
    """What a library says, on one line and not too long."""
    return " ".join(str(error).split())[:120] or type(error).__name__
