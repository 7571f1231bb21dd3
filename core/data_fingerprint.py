"""Which rows a model was trained on, as a digest: equal digests mean equal rows, names and order."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.schema import Schema

#: Bytes digested at a time, so that rows that are not stored one after another are not copied whole.
_BLOCK_BYTES = 1 << 24


class DataFingerprint(msgspec.Struct, frozen=True):
    """``data`` of ``meta.json``."""

    rows: int  #: that the model was trained on
    sha256: str  #: of them
    csv_sha256: str | None = None  #: of the whole file that they came from; None: they came from a stream


def fingerprint(
    schema: Schema,
    x: NDArray[np.float64],
    y: NDArray[np.uint8],
    weights: NDArray[np.float64] | None = None,
    csv_sha256: str | None = None,
) -> DataFingerprint:
    """Of raw rows ``x`` (n, d), outcomes ``y`` (n,) and their weights (n,), in training order.

    The digest is over a line of JSON (feature names, class names, number of rows), then the rows as little-endian
    float64 row by row, the outcomes as one byte each, and the weights as little-endian float64, if there are any.
    """
    digest = RowDigest(schema, len(y))
    step = max(1, _BLOCK_BYTES // (8 * schema.width))
    for start in range(0, len(x), step):
        digest.add(x[start : start + step])
    digest.add_outcomes(y)
    return digest.fingerprint(weights, csv_sha256)


class RowDigest:
    """The same of rows that come in pieces: ``rows`` of them in all."""

    def __init__(self, schema: Schema, rows: int) -> None:
        self._rows = rows
        self._digest = hashlib.sha256(msgspec.json.encode([schema.features, schema.classes, rows]) + b"\n")

    def add(self, x: NDArray[np.float64]) -> None:
        """The next rows (k, d), in training order."""
        self._digest.update(np.ascontiguousarray(x, dtype="<f8").data)

    def add_outcomes(self, y: NDArray[np.uint8]) -> None:
        """When all rows are in, the next of their outcomes (k,), in the same order."""
        self._digest.update(np.ascontiguousarray(y, dtype=np.uint8).data)

    def fingerprint(
        self, weights: NDArray[np.float64] | None = None, csv_sha256: str | None = None
    ) -> DataFingerprint:
        """When all outcomes are in too, with the weights of all rows."""
        if weights is not None:
            self._digest.update(np.ascontiguousarray(weights, dtype="<f8").data)
        return DataFingerprint(self._rows, self._digest.hexdigest(), csv_sha256)
