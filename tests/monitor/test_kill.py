"""Real processes, really killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.record_encoder import encode_block, encode_plain
from core.redis_registry import RedisRegistry
from core.settings import Settings
from tests.monitor.scenario import dice_of
from tests.monitor.undisturbed import assert_undisturbed, next_windows, wait_until_level

SETTINGS = Settings(
    window_records=100, slide_records=50, window_limit_s=1.0, retrain_cooldown_s=0.0, false_alarm_records=2_000
)
OPTIONS = [
    *("--window-records", "100", "--slide-records", "50", "--window-limit-s", "1.0"),
    *("--retrain-cooldown-s", "0", "--false-alarm-records", "2000", "--http-port", "0", "--log-level", "error"),
]


@contextlib.contextmanager
def _monitor(url: str, pipeline: str) -> Iterator[subprocess.Popen[str]]:
    """A monitor that is ready; killed at the end."""
    command = [sys.executable, "-m", "monitor", "--redis-url", url, "--pipeline", pipeline, *OPTIONS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            events = (json.loads(line)["event"] for line in process.stdout)
            assert next(events) == "listening"
            assert next(events) == "ready"
            yield process
        finally:
            os.kill(process.pid, signal.SIGKILL)


class _Feed:
    """Pushes records that drift and come back, a promotion among them."""

    def __init__(self, connection: Connection, keys: PipelineKeys, files: list[ModelFile]) -> None:
        self._connection = connection
        self._keys = keys
        self._files = files
        self._numbers = np.random.default_rng(5)
        self._registry = RedisRegistry(connection, keys)
        self._registry.promote("run0", files[0], 0, "first")
        self.records = 0

    def push(self, entries: int, shift: float) -> None:
        schema = self._files[0].model.schema
        commands: list[tuple[str | bytes | int, ...]] = []
        for index in range(entries):
            x = self._numbers.normal(shift, 1.0, (64, 3))
            x[:, 2] = 4.0
            if index % 3:
                fields = encode_block(x, schema)
            else:
                fields = encode_plain(dict(zip(schema.features, x[0].tolist(), strict=True)))
            self.records += 64 if index % 3 else 1
            commands.append(("XADD", self._keys.partition(0).records, "*", *fields))
        self._connection.pipeline(commands)

    def promote(self) -> None:
        self._registry.promote("run1", self._files[1], 1, "drift")


@pytest.mark.timeout(60)
def test_sigkill_at_any_point_changes_no_window(
    connection: Connection, server_url: str, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    feed, dice, last = _Feed(connection, keys, files), dice_of(1), b"0-0"
    for life in range(6):
        feed.push(40, shift=0.0)
        with _monitor(server_url, keys.pipeline):
            for _ in range(dice.randrange(1, 6)):
                feed.push(dice.randrange(5, 40), shift=1.5 * (life % 2))
                last = next_windows(connection, keys, last)
        if life == 3:
            feed.promote()
    with _monitor(server_url, keys.pipeline):
        wait_until_level(connection, keys, last)
    assert_undisturbed(connection, keys, SETTINGS, feed.records)


@pytest.mark.timeout(60)
def test_two_processes_at_once_write_the_windows_of_one(
    connection: Connection, server_url: str, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    feed, last = _Feed(connection, keys, files), b"0-0"
    with _monitor(server_url, keys.pipeline), _monitor(server_url, keys.pipeline) as second:
        for shift in (0.0, 2.0, 2.0, 0.0):
            for _ in range(5):
                feed.push(20, shift)
                last = next_windows(connection, keys, last)
        os.kill(second.pid, signal.SIGKILL)
        feed.promote()
        feed.push(50, shift=2.0)
        wait_until_level(connection, keys, last)
    assert_undisturbed(connection, keys, SETTINGS, feed.records)
