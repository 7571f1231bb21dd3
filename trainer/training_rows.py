"""Rows that a model was trained on, as far as they are at hand when it is judged, and how to know one of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelFileError, UnknownRun
from core.miniflow import MiniFlow
from core.model import Floats
from core.npz import encode_npz

#: Where a run keeps the fingerprints of its training rows: a shadow is judged when the rows themselves are gone.
TRAINING_ROWS_ARTIFACT = "training_rows.npz"
#: Spreads the bits of a row over one number; odd, so that no bit is lost (Knuth, The Art of Computer Programming,
#: volume 3, section 6.4: the golden ratio).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)

RowPrints = np.ndarray[tuple[int], np.dtype[np.uint64]]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that a candidate was trained on."""

    blocks: Iterable[Floats]  #: (k, d) all of them, of which one block at a time need be in memory
    sample: Floats  #: (m, d) those that are in memory, which tell how many rows are equal by chance


def row_prints(x: Floats) -> RowPrints:
    """(n,) a number a row (n, d), the same for equal numbers, 0 and -0 too, else the same once in 2^64."""
    mixed = np.zeros(len(x), dtype=np.uint64)
    for column in x.T:
        mixed = (mixed ^ (column + 0.0).view(np.uint64)) * _MULTIPLIER  # -0 + 0 is 0
        mixed ^= mixed >> _SHIFT
    return mixed


def known_among(own: RowPrints, others: Iterable[RowPrints]) -> tuple[NDArray[np.bool_], int]:
    """(n,) which of one's ``own`` are among the ``others``, which come in blocks, and how many those are."""
    known, count = np.zeros(len(own), dtype=np.bool_), 0
    for block in others:
        known |= np.isin(own, block)
        count += len(block)
    return known, count


def encode_prints(prints: RowPrints) -> bytes:
    """An ``npz`` without pickle; equal rows give equal bytes."""
    return encode_npz({"prints": prints})


def read_prints(data: bytes) -> RowPrints:
    """Decode :func:`encode_prints`.

    Raises
    ------
    ModelFileError
        Bytes that are cut short, altered or something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            prints: RowPrints = archive["prints"]
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        raise ModelFileError(
            f"the run's {TRAINING_ROWS_ARTIFACT} is not whole ({type(error).__name__}); fit the model again"
        ) from error
    if prints.dtype != np.uint64 or prints.ndim != 1:
        raise ModelFileError(f"the run's {TRAINING_ROWS_ARTIFACT} does not tell rows; fit the model again")
    return prints


def own_prints(miniflow: MiniFlow, run_id: str) -> RowPrints | None:
    """The fingerprints of a run's training rows; None where they are not here, or not whole."""
    try:
        return read_prints(miniflow.run(run_id).read_artifact(TRAINING_ROWS_ARTIFACT))
    except (UnknownRun, ModelFileError):
        return None
