"""``make dashboards``: write the dashboards that Grafana reads; a test finds them stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from observability.grafana.source.board import Board
from observability.grafana.source.model import MODEL
from observability.grafana.source.operations import OPERATIONS

#: What compose mounts.
FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
BOARDS = {"operations.json": OPERATIONS, "model.json": MODEL}


def text_of(board: Board) -> str:
    """A dashboard as it stands in its file."""
    return json.dumps(board.to_json(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, board in BOARDS.items():
        (FOLDER / name).write_text(text_of(board), encoding="utf-8")
        sys.stdout.write(f"made {FOLDER.name}/{name}\n")
