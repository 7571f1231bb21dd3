"""One BLAS thread: the matrices here are small, and a pool of threads costs memory, and time, in every worker."""

from __future__ import annotations

import os


def use_one_thread() -> None:
    """Ask for it before NumPy is imported; what the environment already says counts."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
