"""The memory that one fit needs beside its rows: ``python -m bench.train.peak FITTER ROWS.npy LABELS.npy``.

A process of its own, so that nothing else has been allocated and freed before. It prints MiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.machine import memory_mib
from bench.train.fitters import FITTERS

#: A fit that has not ended by then fails.
_MOST_S = 600.0
_CHECKOUT = Path(__file__).resolve().parents[2]


def peak_mib(fitter: str, rows: Path, labels: Path) -> float | None:
    """What a fit of stored rows needs at its peak, in its own process; None where the system does not tell."""
    command = [sys.executable, "-m", "bench.train.peak", fitter, str(rows), str(labels)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_CHECKOUT, timeout=_MOST_S)
    return float(done.stdout) if done.stdout.strip() else None


def main(fitter: str, rows: str, labels: str) -> None:
    """Fit a little, so that everything is loaded, then all; print how far the peak is above what was there."""
    x, y = np.load(rows), np.load(labels)
    generator = np.random.default_rng(0)
    few = generator.normal(size=(1000, x.shape[1]))
    FITTERS[fitter](few, (few[:, 0] + generator.logistic(size=len(few)) > 0).astype(np.uint8))
    _forget_peak()
    before = memory_mib(os.getpid(), "VmRSS")
    FITTERS[fitter](x, y)
    peak = memory_mib(os.getpid(), "VmHWM")
    if before is not None and peak is not None:
        sys.stdout.write(f"{max(0.0, peak - before):.3f}\n")


def _forget_peak() -> None:
    """Let the kernel's VmHWM begin anew; reading the rows was no part of the fit."""
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5", encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
