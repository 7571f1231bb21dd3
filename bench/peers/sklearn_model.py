"""The bench's model as scikit-learn has it, so that every peer answers with the same coefficients.

Peers run in an environment without this project's packages, so the model travels as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def load(path: str) -> tuple[Any, list[str]]:
    """A fitted pipeline of StandardScaler and LogisticRegression, and the names of its features."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (in the test extra and in the peers' only)
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415  (as above)
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415  (as above)

    said: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    width = len(said["features"])
    center, scale = np.array(said["center"]), np.array(said["scale"])
    # fitted in earnest, for all that fitting sets; then with the model's own figures
    x, y = np.random.default_rng(0).normal(center, scale, (50, width)), np.arange(50) % 2
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    model[0].mean_, model[0].scale_, model[0].var_ = center, scale, scale**2
    model[1].coef_, model[1].intercept_ = np.array([said["weights"]]), np.array([said["intercept"]])
    return model, said["features"]
