"""A CSV file to train on, as hard as a test wants it."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def noisy_table(folder: Path, n: int = 400, noise: float = 0.7, seed: int = 0) -> Path:
    """``n`` rows of features a and b, whose class hangs on the first, the more so the less ``noise`` there is."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    y = (x[:, 0] + noise * generator.normal(size=n) > 0).astype(int)
    path = folder / f"{n}-{noise}-{seed}.csv"
    lines = [f"{a!r},{b!r},{label}" for (a, b), label in zip(x.tolist(), y.tolist(), strict=True)]
    path.write_text("\n".join(["a,b,class", *lines]) + "\n")
    return path
