"""Reads a pipeline into one live state, look by look. It needs Redis alone, and the permission to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from core.advice import advice
from core.connection import CONNECTION_ERRORS, Connection, ServerError
from core.errors import RegistryError
from core.package_version import package_version
from core.pipeline_config import PipelineConfig, look_up
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.settings import Settings
from monitor.live.drift_look import DriftLook
from monitor.live.drift_view import DriftView
from monitor.live.events import Events
from monitor.live.flow import Flow
from monitor.live.flow_look import FlowLook
from monitor.live.model_facts import ModelFacts, ModelShelf
from monitor.live.model_look import ModelLook
from monitor.live.model_view import ModelView
from monitor.live.prediction_view import PredictionsView
from monitor.live.predictions_look import PredictionsLook
from monitor.live.state import LiveState
from monitor.live.text import SENTENCE_CHARACTERS, shown

_Part = TypeVar("_Part")


class LiveReader:
    """Looks at one pipeline again and again, from one thread.

    A look reads a bounded number of entries, whatever the streams hold, and little of what it has seen before; the
    first one reads the most. Between looks it keeps counters, for rates, and histories.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._registry = RedisRegistry(connection, settings.keys)
        self._version = package_version()
        self._begin()

    def _begin(self) -> None:
        """Know nothing of the pipeline yet."""
        connection, settings, keys = self._connection, self._settings, self._settings.keys
        self._shelf = ModelShelf(self._registry)
        self._events = Events(connection, keys)
        self._flow_look = FlowLook(connection, settings)
        self._drift_look = DriftLook(connection, settings)
        self._predictions_look = PredictionsLook(connection, self._shelf)
        self._model_look = ModelLook(connection, keys)
        self._production: Production | None = None
        self._model: ModelView | None = None
        self._flow = Flow()
        self._drift = DriftView(false_alarm_records=float(settings.false_alarm_records))
        self._predictions = PredictionsView()

    def read(self) -> LiveState:
        """One look.

        What the server refuses, as of a key of another type, keeps its part of the state as it was and is told in
        ``problem``; the other parts go on.

        Raises
        ------
        SettingsError
            Settings that disagree with what the pipeline's services agreed on.
        redis.exceptions.ConnectionError, TimeoutError
            The server is lost.
        """
        now_ms = self._connection.now_ms(self._settings.keys.production)
        problems: list[str] = []
        config = self._part(lambda: look_up(self._connection, self._settings), None, problems)
        if config is not None:
            self._look(config, now_ms, problems)
        elif not problems:
            self._begin()  # the server lost the pipeline, or has not seen it yet
        return LiveState(
            pipeline=self._settings.pipeline,
            version=self._version,
            now_ms=now_ms,
            problem="; ".join(dict.fromkeys(problems)) or None,
            waiting=None if problems else self._waiting(config),
            flow=self._flow,
            drift=self._drift,
            predictions=self._predictions,
            model=self._model,
        )

    def _look(self, config: PipelineConfig, now_ms: int, problems: list[str]) -> None:
        production = self._production = self._part(self._registry.production, self._production, problems)
        run_id = None if production is None else production.run_id
        facts: ModelFacts | None = None
        trouble: str | None = None
        if run_id is not None:
            facts = self._part(lambda: self._shelf.facts(run_id), None, problems)
            trouble = self._shelf.trouble
        self._part(self._events.look, False, problems)
        self._flow = self._part(lambda: self._flow_look.look(config), self._flow, problems)
        self._drift = self._part(
            lambda: self._drift_look.look(now_ms, self._events, run_id, self._train_rows), self._drift, problems
        )
        if self._flow_look.looks:
            self._predictions = self._part(
                lambda: self._predictions_look.look(
                    config.partitions,
                    self._flow_look.looks,
                    self._flow_look.prediction_rows,
                    run_id,
                    facts,
                ),
                self._predictions,
                problems,
            )
        if production is None:
            self._model = None
        else:
            self._model = self._part(
                lambda: self._model_look.look(production, facts, trouble, self._events), self._model, problems
            )

    def _train_rows(self, run_id: str) -> int | None:
        facts = self._shelf.facts(run_id)
        return None if facts is None else facts.train_rows

    def _part(self, look: Callable[[], _Part], before: _Part, problems: list[str]) -> _Part:
        """What a look finds; what was before, and a problem, where the server refuses it."""
        try:
            return look()
        except CONNECTION_ERRORS:
            raise
        except (ServerError, RegistryError) as error:
            remedy = advice(error, self._connection.url)
            problems.append(shown(f"{error}; {remedy}" if remedy else str(error), SENTENCE_CHARACTERS))
            return before

    def _waiting(self, config: PipelineConfig | None) -> str | None:
        """What is missing until there is something to see."""
        pipeline = self._settings.pipeline
        if config is None:
            return (
                f"Nothing has started in pipeline {pipeline!r} yet. Next: streamgauge up, or streamgauge demo to "
                "see it at work"
            )
        if self._production is None:
            return (
                "There is no model in production yet. Next: streamgauge fit FILE.csv --label COLUMN "
                f"--pipeline {pipeline}"
            )
        scorers = [worker for worker in self._flow.workers if worker.service == "scorer"]
        if all(worker.state == "left" for worker in scorers):
            none = "Every scorer has left" if scorers else "No scorer is here"
            return f"{none}. Next: python -m scorer --pipeline {pipeline}, or streamgauge up"
        if not any(look.records.added for look in self._flow_look.looks):
            return f"No record has come yet. Next: streamgauge produce FILE.csv --pipeline {pipeline}"
        return None
