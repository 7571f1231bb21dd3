"""Streams written by hand, as services write them, and a reader that looks at them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from core.connection import Connection
from core.drift_window import Alarm, DriftWindow, Reading, WindowState
from core.fields import encode_fields
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.pipeline_config import agree
from core.redis_registry import RedisRegistry
from core.settings import Settings
from monitor.live.reader import LiveReader
from monitor.live.state import LiveState

#: A run that no test promotes.
ANOTHER = "another-run"
RUN = "0123456789ab"


class Written:
    """One pipeline of a test."""

    def __init__(self, connection: Connection, pipeline: str, partitions: int = 1) -> None:
        self.connection = connection
        self.settings = Settings(redis_url=connection.url, pipeline=pipeline, partitions=partitions)
        self.keys: PipelineKeys = self.settings.keys
        self.config = agree(connection, self.settings)
        self.reader = LiveReader(connection, self.settings)

    def look(self) -> LiveState:
        """One look, which is also valid JSON of the documented types."""
        state = self.reader.read()
        encoded = msgspec.json.encode(state)
        assert msgspec.json.decode(encoded, type=LiveState) == state
        json.loads(encoded, parse_constant=_refuse)
        return state

    def promote(self, file: ModelFile, run_id: str = RUN, reason: str = "first", decision: bytes = b"") -> None:
        """Put a model into production."""
        registry = RedisRegistry(self.connection, self.keys)
        before = registry.production()
        registry.promote(run_id, file, 0 if before is None else before.epoch, reason, decision)

    def await_next_ms(self) -> None:
        """Wait until the server's clock has moved on, as it does between two looks of a page."""
        began_ms = self.connection.now_ms()
        while self.connection.now_ms() <= began_ms:
            pass

    def add(self, stream: str, *fields: str | bytes | int | float, entry_id: str = "*") -> bytes:
        """An entry."""
        added: bytes = self.connection.call("XADD", stream, entry_id, *fields)
        return added

    def add_window(
        self, window: int, entry_id: str = "*", z: dict[str, float] | None = None, **changes: object
    ) -> bytes:
        """A closed window, calm unless ``changes`` say otherwise."""
        return self.add(self.keys.drift, *encode_fields(drift_window(window, z, **changes)), entry_id=entry_id)

    def add_plain(self, p: float, entry_id: str = "*", model: str = RUN, **fields: str) -> bytes:
        """A plain prediction of two features."""
        logit = float(np.log(p / (1 - p)))
        own = {
            "_v": "1",
            "id": f"id-{p}",
            "record": "5-1",
            "row": "0",
            "pred": str(int(p >= 0.5)),
            "p_class1": repr(p),
            "logit": repr(logit),
            "bias": "0.25",
            "contrib": json.dumps({"a": logit - 0.25 - 1.0, "b": 1.0}),
            "model": model,
            "ts": "7",
        } | fields
        flat = [part for pair in own.items() for part in pair]
        return self.add(self.keys.partition(0).predictions, *flat, entry_id=entry_id)

    def add_block(self, p: Sequence[float], width: int, model: bytes = RUN.encode(), **fields: bytes) -> bytes:
        """A block of predictions."""
        n = len(p)
        contributions = np.arange(n * width, dtype=np.float64).reshape(n, width)
        own = {
            "_v": b"1",
            "_n": str(n).encode(),
            "record": b"6-2",
            "_pred": (np.array(p) >= 0.5).astype(np.uint8).tobytes(),
            "_p": np.array(p).tobytes(),
            "_logit": (contributions.sum(axis=1) + 0.25).tobytes(),
            "_contrib": contributions.tobytes(),
            "bias": b"0.25",
            "model": model,
            "ts": b"8",
        } | fields
        flat: list[str | bytes] = [part for pair in own.items() for part in pair]
        return self.add(self.keys.partition(0).predictions, *flat)


def drift_window(window: int, z: dict[str, float] | None = None, **changes: object) -> DriftWindow:
    """A calm window of 500 records."""
    shifts = {"a": 0.01, "b": -0.02} if z is None else z
    calm = DriftWindow(
        window=window,
        state="ok",
        detector="mean_abs_z",
        score=0.1,
        threshold=0.4,
        n=500,
        skipped=0,
        first="first",
        last="last",
        first_entry="1700000000000-0",
        last_entry="1700000000999-0",
        model=RUN,
        p_mean=0.5,
        z=shifts,
        blame=sorted(shifts, key=lambda name: -abs(shifts[name])),
        constant_changed={},
        readings=[
            Reading("mean_abs_z", 0.1, 0.4, False, True),
            Reading("cusum", 1.0, float("1e300"), False, True),
        ],
    )
    return msgspec.structs.replace(calm, **changes)


def drifting(
    window: int, episode: int, state: WindowState = "drift", sentence: str | None = None
) -> dict[str, Any]:
    """Changes that make a window one of an episode; with a ``sentence`` it alarms."""
    changes: dict[str, Any] = {"state": state, "episode": episode, "alarmed": ["cusum"], "score": 0.9}
    if sentence is not None:
        changes["alarm"] = Alarm(
            detector="cusum",
            statistic=9.0,
            threshold=5.0,
            effect=1.4,
            shift={"a": 1.4, "b": 0.0},
            blame=["a", "b"],
            record="r",
            entry="2-0",
            first="q",
            since="1-0",
            records=20,
            window=window,
            model=RUN,
            sentence=sentence,
        )
    return changes


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
