"""``python -m streamgauge.demo.seed DIR``: what the demo profile of docker-compose.yml begins with.

It fits a first model, as the user ``operator``, and writes rows for the producer to push: rows like Raisin's whose
camera moves closer, and back, and closer again. Where a model is in production already, that one stays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from core.blas import use_one_thread
from core.connection import Connection
from core.errors import StreamgaugeError
from core.redis_registry import RedisRegistry
from core.settings import Settings, load_settings
from streamgauge.demo import raisin_like
from streamgauge.demo.camera import magnify
from streamgauge.demo.row_file import LABEL, POSITIVE, Rows, write_rows
from trainer.commands import fit_table

#: Files in the folder.
FIRST, TRAFFIC = "first.csv", "traffic.csv"
#: Draws of 900 rows between two moves of the camera: at 50 records a second it moves every 108 seconds.
DRAWS_A_SCENE = 6
#: Scenes; with those above, the producer has rows for 54 minutes.
SCENES = 30
#: Factor by which lengths grow when the camera is closer; as `streamgauge demo` has it.
CLOSER = 1.25


def seed(folder: Path, settings: Settings, scenes: int = SCENES) -> str:
    """Write the files and see to a model in production; what was done, in one sentence.

    Raises
    ------
    StreamgaugeError
        No Redis, or a model that cannot be promoted.
    """
    whole = folder / f"{TRAFFIC}.part"
    write_rows(whole, _traffic(scenes))
    whole.replace(folder / TRAFFIC)  # where a producer is reading the one before, it reads on
    with Connection(settings.required_redis_url("demo")) as connection:
        production = RedisRegistry(connection.require(), settings.keys).production()
    if production is not None:
        return f"run {production.run_id} is in production already; {folder / TRAFFIC} has rows to push"
    write_rows(folder / FIRST, [raisin_like.draw_rows(0)])
    report = fit_table(folder / FIRST, LABEL, POSITIVE, settings)
    return f"run {report.run_id}: {report.verdict}; {folder / TRAFFIC} has rows to push"


def _traffic(scenes: int) -> Iterator[Rows]:
    """Rows that no model was fitted on; every second scene from closer."""
    for scene in range(scenes):
        factor = CLOSER if scene % 2 else 1.0
        for draw in range(DRAWS_A_SCENE):
            x, y = raisin_like.draw_rows(1 + scene * DRAWS_A_SCENE + draw)
            yield magnify(x, raisin_like.FEATURES, factor), y


def main() -> int:
    """Run it; the exit status."""
    try:
        sys.stdout.write(seed(Path(sys.argv[1]), load_settings()) + "\n")
    except StreamgaugeError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    use_one_thread()
    sys.exit(main())
