from __future__ import annotations

import hashlib

import numpy as np
import pytest

from core.data_fingerprint import fingerprint
from core.schema import Schema

SCHEMA = Schema(("a", "b"), ("no", "yes"))
X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
Y = np.array([0, 1, 1], dtype=np.uint8)


def test_anyone_can_make_the_digest_again() -> None:
    found = fingerprint(SCHEMA, X, Y, csv_sha256="f" * 64)
    data = b'[["a","b"],["no","yes"],3]\n' + X.astype("<f8").tobytes() + Y.tobytes()
    assert (found.rows, found.sha256, found.csv_sha256) == (3, hashlib.sha256(data).hexdigest(), "f" * 64)


def test_how_the_rows_are_stored_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fingerprint(SCHEMA, X, Y)
    monkeypatch.setattr("core.data_fingerprint._BLOCK_BYTES", 16)
    assert fingerprint(SCHEMA, np.asfortranarray(X), Y) == whole
    assert fingerprint(SCHEMA, np.repeat(X, 2, axis=0)[::2], Y) == whole


def test_everything_that_training_sees_counts() -> None:
    other_classes = Schema(("a", "b"), ("yes", "no"))
    other_names = Schema(("b", "a"), ("no", "yes"))
    weights = np.ones(3)
    found = [
        fingerprint(SCHEMA, X, Y),
        fingerprint(other_classes, X, Y),
        fingerprint(other_names, X, Y),
        fingerprint(SCHEMA, X[::-1], Y),
        fingerprint(SCHEMA, X, Y[::-1]),
        fingerprint(SCHEMA, X, Y, weights),
        fingerprint(SCHEMA, X, Y, 2 * weights),
        fingerprint(SCHEMA, X[:2], Y[:2]),
    ]
    assert len({each.sha256 for each in found}) == len(found)
