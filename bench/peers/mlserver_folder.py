"""Write the folder that MLServer serves with its scikit-learn runtime: settings, and the model by joblib."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib  # type: ignore[import-untyped]  # ships no type information

from bench.peers.sklearn_model import load


def main(folder: Path, http_port: int, grpc_port: int, metrics_port: int, model_path: str) -> None:
    """Its defaults, but for the ports, and in one process, which answers sooner than a pool of one worker."""
    model, _ = load(model_path)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "host": "127.0.0.1",
        "http_port": http_port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    model_settings = {
        "name": "raisin",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    (folder / "model-settings.json").write_text(json.dumps(model_settings), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
