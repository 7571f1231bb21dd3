"""``python -m bench.live_page.pusher URL PIPELINE RATE SEED``: a client that pushes blocks at a steady rate.

It ends with its standard input.
"""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

from core.model import Floats
from producer.client import Producer
from streamgauge.demo import raisin_like

#: Rows of a block, as docs/performance.md has them.
BLOCK_ROWS = 256
#: Draws of 900 rows that it goes through again and again.
_DRAWS = 256
#: Pause between two looks at what is due.
_STEP_S = 0.01


def rows(seed: int) -> Floats:
    """(256 * 900, 7) rows that no model has seen."""
    return np.concatenate([raisin_like.draw_rows(seed + 1 + number)[0] for number in range(_DRAWS)])


def main() -> int:
    """Push until the input ends."""
    url, pipeline, rate, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    over = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    x = rows(seed)
    blocks = [x[start : start + BLOCK_ROWS] for start in range(0, len(x) - BLOCK_ROWS + 1, BLOCK_ROWS)]
    with Producer(url, pipeline, block=True, batch_rows=BLOCK_ROWS, partition_by="turn") as producer:
        sent, begin_s = 0, time.perf_counter()
        while not over.wait(_STEP_S):
            due = int((time.perf_counter() - begin_s) * rate / BLOCK_ROWS)
            for number in range(sent, due):
                producer.send_rows(blocks[number % len(blocks)])
            sent = due
        producer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
