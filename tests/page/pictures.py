"""``python -m tests.page.pictures`` (= ``make pictures``): the pictures of the page in docs/pictures.

They are taken of a running pipeline: the camera moves closer, labels come, a model is promoted, and the camera
moves again, which is when the pictures are taken. Rows and models follow from the seed; clock times and rates are
those of the run.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core.blas import use_one_thread

use_one_thread()

from tests.page.browser import PHONE, Watch, expect, running_browser  # noqa: E402  (before NumPy is imported)
from tests.page.stage import CLOSER, Stage  # noqa: E402  (as above)
from tests.page.tools import CHECKOUT, ToolMissing  # noqa: E402  (as above)
from tests.servers import running_server, server_program  # noqa: E402  (as above)

PICTURES = CHECKOUT / "docs" / "pictures"
#: No picture is larger: a page with two of them opens quickly.
MOST_BYTES = 250 * 1024
#: The width of the README's picture; its height ends below the drift.
_SIZE = (1280, 1000)
_MARGIN = 24
#: Rows a push, and pause between two: some 450 a second.
_ROWS, _EVERY_S = 50, 0.1
#: Rows of the calm stretches, at which a chart of five minutes is full, and of the drift before the pictures.
_CALM_ROWS, _BETWEEN_ROWS, _AFTER_ROWS = 62_000, 52_000, 4_000
#: More than any drift takes to be noticed.
_MANY = 40_000
#: Factor by which lengths have grown when the camera has moved for the second time.
_CLOSER_STILL = 1.45
#: Tries to teach a model, each with more labels.
_LESSONS = 40


class Scene:
    """Rows at a steady rate."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._pace = threading.Event()

    def play(self, rows: int, factor: float, over: Callable[[], bool] = lambda: False) -> None:
        """Push so many rows, or until it is over."""
        for _ in range(rows // _ROWS):
            self._stage.push(_ROWS, factor)
            self._pace.wait(_EVERY_S)
            if over():
                return

    def garbage(self) -> None:
        """What a careless client sends."""
        plain = self._stage.producer(block=False)
        features = plain.schema.features
        good = dict(zip(features, (87_524, 442.2, 253.3, 0.8197, 90_546, 0.7587, 1_184.0), strict=True))
        plain.send({**good, features[0]: "87,524"}, id="grain-comma")
        plain.send({name: good[name] for name in features[1:]}, id="grain-no-area")
        plain.flush()


def _tell(stage: Stage, ripe: threading.Event, taken: threading.Event) -> None:
    """From peace to the second alarm, and on until the pictures are taken."""
    try:
        scene = Scene(stage)
        first = stage.production()
        scene.play(_CALM_ROWS, 1.0)
        scene.play(_MANY, CLOSER, lambda: stage.state() == "drift")
        for _ in range(_LESSONS):
            if stage.production() != first:
                break
            scene.play(600, CLOSER)
            stage.label(600)
        scene.play(_BETWEEN_ROWS, CLOSER)
        scene.garbage()
        scene.play(_MANY, _CLOSER_STILL, lambda: stage.state() == "drift")
        scene.play(_AFTER_ROWS, _CLOSER_STILL)
        ripe.set()
        scene.play(_MANY, _CLOSER_STILL, taken.is_set)
    finally:
        ripe.set()


def _take(light: Any, dark: Any, phone: Any) -> None:
    """All pictures of the moment."""
    for name, page in (("light", light), ("dark", dark)):
        expect(page.locator("#drift-state")).to_have_attribute("data-state", "drift")
        bottom = page.evaluate("() => document.getElementById('time-axis').closest('article').offsetHeight")
        top = page.evaluate("() => document.getElementById('time-axis').closest('article').offsetTop")
        clip = {"x": 0, "y": 0, "width": _SIZE[0], "height": top + bottom + _MARGIN}
        _write(page.screenshot(full_page=True, clip=clip), f"page-drift-{name}.png")
    light.locator("#newest summary").nth(1).click()
    light.mouse.move(0, 0)
    for section in ("predictions", "model"):
        box = light.locator(f"#{section}").bounding_box()
        box |= {"x": 0, "y": box["y"] + light.evaluate("() => scrollY"), "width": _SIZE[0]}
        _write(light.screenshot(full_page=True, clip=box), f"page-{section}.png")
    _write(phone.screenshot(), "page-phone.png")


def _write(picture: bytes, name: str) -> None:
    if len(picture) > MOST_BYTES:
        raise SystemExit(f"streamgauge: {name} has {len(picture) // 1024} KiB; show less of the page in it")
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / name).write_bytes(picture)
    sys.stdout.write(f"written   {PICTURES / name} ({len(picture) // 1024} KiB)\n")


def main() -> int:
    """Run the pipeline, and take them; the exit status."""
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = stack.enter_context(running_server(server_program("valkey"), folder / "server"))
            stage = Stage(f"redis://127.0.0.1:{port}/0", "raisins", folder, stack)
            stage.options |= {"window_records": 200, "retrain_cooldown_s": 5}
            stage.fit()
            for module in ("scorer", "scorer", "monitor", "trainer"):
                stage.start(module)
            watch = Watch(stack.enter_context(running_browser()))
            # opened before anything happens, for the lines of the rates begin when somebody looks
            light, dark = (watch.open(stage.page, dark=dark, size=_SIZE) for dark in (False, True))
            phone = watch.open(stage.page, size=PHONE)
            ripe, taken = threading.Event(), threading.Event()
            telling = threading.Thread(target=_tell, args=(stage, ripe, taken))
            telling.start()
            try:
                ripe.wait()
                _take(light, dark, phone)
            finally:
                taken.set()
                telling.join()
            if watch.troubles:
                raise SystemExit("streamgauge: " + "; ".join(watch.troubles))
    except ToolMissing as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
