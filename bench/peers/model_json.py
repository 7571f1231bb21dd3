"""Write the bench's model where the peers read it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.model_file import ModelFile


def write_model(folder: Path, file: ModelFile) -> Path:
    """The model's figures as JSON; see ``sklearn_model.load``."""
    model = file.model
    said = {
        "features": model.schema.features,
        "weights": model.coefficients.tolist(),
        "intercept": model.intercept,
        "center": model.center.tolist(),
        "scale": model.scale.tolist(),
    }
    path = folder / "model.json"
    path.write_bytes(msgspec.json.encode(said))
    return path
