"""Held-out rows as an artifact, so that a later candidate can be compared with production on them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from core.errors import ModelFileError
from core.model import Floats
from core.npz import encode_npz
from trainer.table import Labels

#: Where a run keeps its held-out rows.
HOLDOUT_ARTIFACT = "holdout.npz"


@dataclass(frozen=True, eq=False)
class Holdout:
    """Rows that judge the model of the same run, which never saw them; raw features in its schema's order."""

    x: Floats  #: (n, d)
    y: Labels  #: (n,)

    @property
    def encoded(self) -> bytes:
        """An ``npz`` without pickle; equal rows give equal bytes."""
        return encode_npz({"x": self.x, "y": self.y})


def read_holdout(data: bytes) -> Holdout:
    """Decode :attr:`Holdout.encoded`.

    Raises
    ------
    ModelFileError
        Bytes that are cut short, altered or something else.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            x, y = archive["x"], archive["y"]
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        raise ModelFileError(
            f"the run's {HOLDOUT_ARTIFACT} is not whole ({type(error).__name__}); fit the model again"
        ) from error
    if x.dtype != np.float64 or y.dtype != np.uint8 or x.ndim != 2 or y.shape != x.shape[:1]:
        raise ModelFileError(f"the run's {HOLDOUT_ARTIFACT} does not hold rows and labels; fit the model again")
    return Holdout(x, y)
