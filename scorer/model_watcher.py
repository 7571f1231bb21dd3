"""Watch production and hold the model that is in it; workers pick it up between batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from core.connection import CONNECTION_ERRORS, Connection
from core.entry import streams_of
from core.errors import StreamgaugeError
from core.model_file import ModelFile
from core.registry import Registry

#: How often a registry file is looked at, and how long to wait after an error.
LOOK_EVERY_S = 1.0
#: Longest wait for a promotion; short, so that a stop is prompt.
WAIT_MS = 500


@dataclass(frozen=True, eq=False)
class ProductionModel:
    """A model in production."""

    run_id: str
    epoch: int
    updated_ts_ms: int
    file: ModelFile


class ModelWatcher:
    """Keeps ``current`` true from a background thread.

    Parameters
    ----------
    registry
        Decides which model counts.
    wait
        Waits for a hint that it changed; returns early at one.
    on_change
        Called with each model that comes into production.
    """

    def __init__(
        self,
        registry: Registry,
        wait: Callable[[], None],
        on_change: Callable[[ProductionModel], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._registry = registry
        self._wait = wait
        self._on_change = on_change
        self._log = log
        self._stopping = threading.Event()
        self._complaint = ""
        self._gone = False
        self.current: ProductionModel | None = None
        self.obstacle: str | None = None  #: why what is in production now is not loaded
        self.arrived = threading.Event()  #: set once there is a model
        self._thread = threading.Thread(target=self._run, name="model-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its present wait."""
        self._stopping.set()
        self._thread.join(timeout=WAIT_MS / 1000 + LOOK_EVERY_S)

    def look(self) -> None:
        """Load production if it changed. A lost registry leaves the model in memory in place, and is said once."""
        production = self._registry.production()
        if self.current is not None and self._gone != (production is None):
            self._gone = production is None
            if self._gone:
                self._log.warning(
                    "production is gone from the registry; going on with the model in memory",
                    model=self.current.run_id,
                )
        if production is None:
            self.obstacle = None
            return
        if self.current is not None and self.current.run_id == production.run_id:
            self.obstacle = None
            return
        try:
            file = self._registry.model(production.run_id)
        except StreamgaugeError as error:
            self.obstacle = f"run {production.run_id} is in production and cannot be loaded: {error}"
            raise
        loaded = ProductionModel(production.run_id, production.epoch, production.updated_ts_ms, file)
        self.current, self.obstacle = loaded, None
        self._on_change(loaded)
        self.arrived.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
                self._complaint = ""
                self._wait()
            except Exception as error:  # noqa: BLE001  (a watcher that ends would leave its scorer blind for good)
                if str(error) != self._complaint and not isinstance(error, CONNECTION_ERRORS):
                    self._log.error("model not loaded", error=str(error))
                self._complaint = str(error)
                self._stopping.wait(LOOK_EVERY_S)


class PromotionsWait:
    """Wait on the promotions stream: an entry wakes the watcher."""

    def __init__(self, connection: Connection, promotions: str) -> None:
        self._connection = connection
        self._promotions = promotions
        self._last = b""

    def __call__(self) -> None:
        """Return at the next promotion, or after half a second (a hint may be lost, the hash decides)."""
        if not self._last:
            newest = self._connection.call("XREVRANGE", self._promotions, "+", "-", "COUNT", 1)
            self._last = newest[0][0] if newest else b"0-0"
            return
        reply = self._connection.call(
            "XREAD", "COUNT", 10, "BLOCK", WAIT_MS, "STREAMS", self._promotions, self._last
        )
        for entries in streams_of(reply).values():
            self._last = entries[-1].id
