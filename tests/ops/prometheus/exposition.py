"""What the real services expose once each has done some of its work."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from core.connection import Connection
from core.drift_window import RetrainEvent
from core.fields import encode_fields
from core.keys import PipelineKeys
from core.service import Service
from core.settings import Settings
from monitor.service import Monitor
from scorer.service import StreamScorer
from tests.monitor.running import Feed
from tests.monitor.scenario import make_model
from tests.servers import wait_until
from trainer.service import Trainer

#: The text of /metrics by service.
Exposition = dict[str, str]


@contextlib.contextmanager
def _running(service: Service) -> Iterator[Service]:
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        service.stopping.set()
        thread.join(10)
        assert not thread.is_alive()


def _told(service: Service) -> str:
    with urllib.request.urlopen(f"{service.http.url}/metrics", timeout=5) as answer:  # noqa: S310  (our own server)
        return str(answer.read().decode())


def exposed(url: str, pipeline: str, folder: Path) -> Exposition:
    """Run scorer, monitor and trainer on this server until each has done what it has metrics for."""
    settings = Settings(
        redis_url=url,
        pipeline=pipeline,
        http_port=0,
        window_records=50,
        window_limit_s=0.3,
        window_min_records=10,
        miniflow=str(folder / "miniflow"),
    )
    file = make_model(("a", "b", "constant"), 1)
    keys = PipelineKeys(pipeline)
    with Connection(url) as connection, contextlib.ExitStack() as stack:
        feed = Feed(connection, keys)
        feed.registry.promote("aaaaaaaaaaaa", file, 0, "first")
        services = {
            "scorer": stack.enter_context(_running(StreamScorer(settings))),
            "monitor": stack.enter_context(_running(Monitor(settings))),
            "trainer": stack.enter_context(_running(Trainer(settings))),
        }
        wait_until(lambda: "stream_lag_entries{" in _told(services["monitor"]), "a backlog")
        records = keys.partition(0).records
        plain = ("a", "1", "b", "1", "constant", "4")
        connection.call("XADD", records, "*", "_id", "known", *plain)
        connection.call("XADD", records, "*", "garbage", "1")
        connection.call("XADD", keys.labels, "*", "id", "known", "y", "1")
        connection.call("XADD", keys.retrain, "*", *encode_fields(RetrainEvent(reason="manual")))
        feed.push(file)
        wanted = {
            "scorer": ('reason="missing_feature"} 1.0', "end_to_end_seconds_count{", "production_info{"),
            "monitor": ("drift_score{", "label_coverage{", "labelled_log_loss{", "production_info{"),
            "trainer": (f'outcome="too_few_labels",pipeline="{pipeline}"}} 1.0', "production_info{"),
        }
        for name, parts in wanted.items():
            wait_until(
                lambda name=name, parts=parts: all(part in _told(services[name]) for part in parts),  # type: ignore[misc]  # bound at once
                f"{name}: {parts}",
            )
        return {name: _told(service) for name, service in services.items()}
