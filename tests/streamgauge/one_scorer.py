"""A scorer without Redis, asked once."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any


def scorer_answer(folder: Path, body: object) -> Any:
    """What ``POST /predict`` answers to ``body``, by a scorer that serves ``folder``/miniflow and then ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "scorer", "--http-port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as scorer:
        assert scorer.stdout is not None
        try:
            said = [json.loads(scorer.stdout.readline()) for _ in range(2)]
            assert [line["event"] for line in said] == ["listening", "ready"]
            request = urllib.request.Request(said[1]["http"] + "/predict", json.dumps(body).encode())  # noqa: S310
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own scorer on loopback)
                answered = json.loads(answer.read())
        finally:
            scorer.terminate()
        assert scorer.wait(20) == 0
    return answered
