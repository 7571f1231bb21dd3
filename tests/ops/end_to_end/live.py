"""A pipeline of real processes that is fed all the time, and what it writes, waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from typer.testing import CliRunner

from core.connection import Connection
from core.entry import Entry, entries_of, field_map
from core.keys import PipelineKeys
from producer.client import Producer
from streamgauge.app import app
from streamgauge.local_pipeline import LocalPipeline
from tests.scorer.scorer_process import get

PIPELINE = "default"
#: How long a step may take on a busy machine.
PATIENCE_MS = 120_000
#: Rows a push, and pause between two.
PUSH_ROWS, PUSH_EVERY_S = 40, 0.25
#: Penalty of the first model: nearly a coin, so that a retraining is worth it; its detectors are as good as any's.
WEAK_INVERSE_L2 = "0.0001"
OPTIONS: dict[str, object] = {
    "pipeline": PIPELINE,
    "window_records": 100,
    "window_min_records": 50,
    "window_limit_s": 5,
    "retrain_cooldown_s": 1,
    "recovery_windows": 2,
    "min_labelled_rows": 200,
}


def draw(rows: int, generator: np.random.Generator, shift: float) -> tuple[Any, Any]:
    """Rows (n, 2) whose class hangs on the first feature, which is moved by ``shift``; and their classes."""
    x = generator.normal(size=(rows, 2))
    y = (x[:, 0] + generator.normal(0, 0.4, rows) > 0).astype(float)
    return x + np.array([shift, 0.0]), y


@dataclass
class Feed:
    """Pushes rows until it is told to stop; how they are may be changed meanwhile."""

    producer: Producer
    shift: float = 0.0
    labelled: bool = True
    _generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    _stopping: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While this lasts."""
        thread = threading.Thread(target=self._push)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _push(self) -> None:
        while not self._stopping.wait(PUSH_EVERY_S):
            x, y = draw(PUSH_ROWS, self._generator, self.shift)
            self.producer.send_rows(x, labels=y if self.labelled else None)
            self.producer.send({"a": "unreadable", "b": 1.0})
            self.producer.flush()


class Live:
    """The pipeline."""

    def __init__(self, url: str, folder: Path, token_file: Path) -> None:
        self.connection = Connection(url)
        self.keys = PipelineKeys(PIPELINE)
        options = {**OPTIONS, "miniflow": str(folder / "miniflow"), "alerts_token_file": str(token_file)}
        self._fit(url, folder)
        self.services = LocalPipeline(url, folder, options=options, first_http_port=0, shielded=True)

    def addresses(self) -> dict[str, str]:
        """``host:port`` of each service."""
        return {service.module: urlsplit(service.http).netloc for service in self.services.services}

    def production(self) -> str:
        """What is in production."""
        return bytes(self.connection.call("HGET", self.keys.production, "run_id")).decode()

    def events(self) -> list[str]:
        """The reasons of all retrain events."""
        entries = entries_of(self.connection.call("XRANGE", self.keys.retrain, "-", "+"))
        return [field_map(entry.fields)[b"reason"].decode() for entry in entries]

    def newest(self, stream: str) -> bytes:
        """The id behind which the next entry of a stream comes."""
        entries = entries_of(self.connection.call("XREVRANGE", stream, "+", "-", "COUNT", 1))
        return entries[0].id if entries else b"0-0"

    def next_entry(self, stream: str, after: bytes) -> dict[bytes, bytes]:
        """The first entry of a stream behind an id, waited for."""
        for _ in range(PATIENCE_MS // 2_000):
            reply = self.connection.call("XREAD", "COUNT", 1, "BLOCK", 2_000, "STREAMS", stream, after)
            if reply:
                entry: Entry = entries_of(reply[0][1])[0]
                return field_map(entry.fields)
        raise AssertionError(f"nothing came to {stream} behind {after!r}: {self.logs()}")

    def webhook_alerts(self, outcome: str) -> float:
        """Alerts that the monitor got, by what became of them."""
        wanted = f'streamgauge_webhook_alerts_total{{outcome="{outcome}",pipeline="{PIPELINE}"}} '
        lines = get(f"http://{self.addresses()['monitor']}/metrics")[1].decode().splitlines()
        (found,) = [line for line in lines if line.startswith(wanted)]
        return float(found.removeprefix(wanted))

    def logs(self) -> str:
        """The last that the services said."""
        paths = [service.log_path for service in self.services.services]
        return "\n".join("\n".join(path.read_text().splitlines()[-15:]) for path in paths)

    def _fit(self, url: str, folder: Path) -> None:
        x, y = draw(600, np.random.default_rng(1), 0.0)
        csv = folder / "train.csv"
        rows = [f"{a!r},{b!r},{'yes' if label else 'no'}" for (a, b), label in zip(x.tolist(), y, strict=True)]
        csv.write_text("a,b,good\n" + "\n".join(rows) + "\n", encoding="utf-8")
        arguments = ["fit", str(csv), "--label", "good", "--inverse-l2", WEAK_INVERSE_L2, "--calibrate", "none"]
        place = {"redis_url": url, "pipeline": PIPELINE, "miniflow": str(folder / "miniflow")}
        environment = {f"STREAMGAUGE_{name.upper()}": value for name, value in place.items()}
        done = CliRunner().invoke(app, arguments, env=environment)
        assert done.exit_code == 0, done.output
