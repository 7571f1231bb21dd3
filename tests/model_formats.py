"""Model files of other formats than the one that is written now.

``format_3.npz`` was written by the last version of streamgauge that wrote format 3: ``trainer.fit.fit`` of 240
rows that :func:`like_format_3` draws too, with what that version said of five rows in ``format_3.json``.
"""

from __future__ import annotations

import dataclasses
import io
import zipfile
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from core.model import Floats
from core.model_file import FORMAT, ModelFile, read_model_file
from trainer.table import Labels, Table

_DIRECTORY = Path(__file__).parent


class Said(msgspec.Struct, frozen=True):
    """What the version that wrote it said of some rows."""

    sha256: str  #: of the file
    rows: list[list[float]]  #: (n, d)
    logit: list[float]
    probability: list[float]
    predicted: list[int]


@cache
def format_3_bytes() -> bytes:
    return (_DIRECTORY / "format_3.npz").read_bytes()


def format_3() -> ModelFile:
    """The file as it is read; its ``encoded`` are the bytes that were stored."""
    return read_model_file(format_3_bytes())


def said_of_format_3() -> Said:
    return msgspec.json.decode((_DIRECTORY / "format_3.json").read_bytes(), type=Said)


def like_format_3(n: int, seed: int) -> Table:
    """Rows of the world that its model was trained on."""
    generator = np.random.default_rng(seed)
    x = np.column_stack([generator.normal(100, 20, n), generator.normal(1, 0.1, n), generator.uniform(-3, 3, n)])
    x[:, 1] += 0.002 * (x[:, 0] - 100)
    logit = (x[:, 0] - 100) / 20 * 1.4 - x[:, 2] * 0.6
    y: Labels = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(np.uint8)
    schema = format_3().model.schema
    return Table(schema.features, np.round(x, 3), y, schema.classes)


def write_csv(path: Path, x: Floats, y: Labels) -> Path:
    """Rows of format 3's features with their classes as a file."""
    schema = format_3().model.schema
    lines = [
        ",".join([*(repr(value) for value in row), schema.classes[label]])
        for row, label in zip(x.tolist(), y.tolist(), strict=True)
    ]
    path.write_text("\n".join([",".join([*schema.features, "class"]), *lines]) + "\n")
    return path


def with_header(data: bytes, **changes: object) -> bytes:
    """The file with another header, its checksums right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "header.npy":
                header = msgspec.json.decode(np.load(io.BytesIO(content)).tobytes(), type=dict[str, object])
                array = np.frombuffer(msgspec.json.encode(header | changes), np.uint8)
                member = io.BytesIO()
                np.lib.format.write_array(member, array, version=(1, 0))
                content = member.getvalue()
            new.writestr(info, content)
    return out.getvalue()


def newer_bytes(data: bytes) -> bytes:
    """A file of a format to come, whose header means other things by the same names."""
    return with_header(data, format=FORMAT + 1, features={"names": "elsewhere"}, threshold=[0.2, 0.7])


def newer(file: ModelFile) -> ModelFile:
    """A model that is stored in a format to come: its bytes cannot be read here."""
    made = dataclasses.replace(file)
    made.__dict__["encoded"] = newer_bytes(file.encoded)
    return made
