"""Columns of bytes side by side, as fixed-size records one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def bytes_of(values: NDArray[Any], records: int) -> Bytes:
    """The bytes of a C-ordered array, the same number of them for each record: (records, bytes)."""
    return values.reshape(-1).view(np.uint8).reshape(records, -1)


def side_by_side(parts: Sequence[bytes | Bytes], records: int) -> memoryview:
    """For each record in turn the bytes of each part: its own of a column (records, bytes), or the same for all.

    >>> bytes(side_by_side([b"<", np.array([[65], [66]], np.uint8), b">"], 2))
    b'<A><B>'
    """
    columns = [np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part for part in parts]
    joined = np.empty((records, sum(column.shape[-1] for column in columns)), np.uint8)
    at = 0
    for column in columns:
        joined[:, at : at + column.shape[-1]] = column
        at += column.shape[-1]
    return joined.reshape(-1).data
