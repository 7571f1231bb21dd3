from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from core.npz import encode_npz


def test_what_is_written_reads_back_without_pickle() -> None:
    x, y = np.arange(6.0).reshape(2, 3).T, np.array([1, 0], dtype=np.uint8)
    with np.load(io.BytesIO(encode_npz({"x": x, "y": y})), allow_pickle=False) as archive:
        assert archive.files == ["x", "y"]
        assert (archive["x"] == x).all()
        assert (archive["y"] == y).all()


def test_the_bytes_do_not_tell_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    here = encode_npz({"x": np.ones(3)})
    monkeypatch.setattr(sys, "platform", "win32")
    assert encode_npz({"x": np.ones(3)}) == here
