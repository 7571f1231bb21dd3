"""``POST /alerts``: an alert of Alertmanager or Grafana becomes a retrain event, once."""

from __future__ import annotations

import hmac
import threading
from collections import Counter
from typing import Literal, NamedTuple, get_args

from structlog.typing import FilteringBoundLogger

from core.advice import advice
from core.connection import Connection, RedisError
from core.drift_window import RetrainEvent
from core.errors import NoProductionModel, StreamgaugeError
from core.http import Request, Response, error_response, json_response
from core.redis_registry import RedisRegistry
from core.scripts.ask_retraining import Asked, AskingAlert, ask_retraining
from core.settings import Settings
from core.telemetry import Telemetry
from monitor.alert_notification import Alert, Notification, read_notification

#: Value of the label ``action`` without which an alert asks for nothing: a route may be mistaken and send all.
RETRAIN = "retrain"
#: What Grafana calls an alert whose query found nothing or failed; it has the labels of the rule all the same.
_NO_DATA = frozenset({"DatasourceNoData", "DatasourceError"})
#: Most characters of an alert's name and summary that an event repeats.
NAME_CHARACTERS, SUMMARY_CHARACTERS = 100, 500
#: How long a request waits for the one before it: a server that hangs holds one HTTP thread, never all.
TURN_S = 1.0

#: What becomes of an alert: ``written`` to ``outdated`` as core.scripts.ask_retraining says; ``unavailable``: the
#: sender is asked to try again; ``refused``: the whole request was, and counts as one.
Outcome = Literal[
    "written",
    "coalesced",
    "cooldown",
    "duplicate",
    "outdated",
    "resolved",
    "other_action",
    "other_pipeline",
    "no_data",
    "unavailable",
    "refused",
]


class _Answer(NamedTuple):
    """An answer, and how many alerts had which outcome."""

    response: Response
    outcomes: Counter[Outcome]


class AlertWebhook:
    """The handler of ``POST /alerts``.

    The event is written before the answer is sent, and remembers its alerts in the same step: whoever gets no 200
    asks again, and what was asked before is not asked twice.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._log = log
        self._connection = Connection(settings.required_redis_url("monitor"))
        self._registry = RedisRegistry(self._connection, settings.keys)
        self._turn = threading.Lock()
        for outcome in get_args(Outcome):  # from 0 on, so that an increase shows
            telemetry.webhook_alerts.labels(settings.pipeline, outcome)
        telemetry.retrain_events.labels(settings.pipeline, "alert")

    def answer(self, request: Request) -> Response:
        """Answer a notification.

        200: read, whatever it led to; 400, 415: no notification; 401: the wrong token; 403: there is no token to
        compare with; 503: try again.
        """
        answer = self._refusal(request) or self._read(request)
        for outcome, alerts in answer.outcomes.items():
            self._telemetry.webhook_alerts.labels(self._settings.pipeline, outcome).inc(alerts)
        return answer.response

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _refusal(self, request: Request) -> _Answer | None:
        """What is answered before anything is read, if anything."""
        token = self._settings.alerts_token
        if token is None:
            return _refused(403, "this monitor takes no alerts; set alerts_token, and send it as a bearer token")
        scheme, _, given = request.header("Authorization").partition(" ")
        # compared in a time that does not depend on how much of it is right
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            wrong = error_response(401, "send the monitor's alerts_token as Authorization: Bearer ...")
            return _Answer(
                Response(wrong.status, wrong.body, headers=(("WWW-Authenticate", 'Bearer realm="alerts"'),)),
                Counter(["refused"]),
            )
        kind = request.header("Content-Type").partition(";")[0].strip().lower()
        if kind != "application/json":
            return _refused(415, "send a notification as Content-Type: application/json")
        return None

    def _read(self, request: Request) -> _Answer:
        try:
            notification = read_notification(request.body)
        except ValueError as error:
            self._log.warning("notification unusable", error=str(error))
            return _refused(400, str(error))
        outcomes: Counter[Outcome] = Counter()
        asking: dict[AskingAlert, Alert] = {}
        for alert in notification.alerts:
            passed_by = self._passed_by(alert)
            if passed_by is not None:
                outcomes[passed_by] += 1
            elif asking.setdefault(AskingAlert(alert.fingerprint, alert.started_ms), alert) is not alert:
                outcomes["duplicate"] += 1
        if not asking:
            return self._answered(notification, outcomes, None)
        try:
            asked = self._ask(asking)
        except (RedisError, StreamgaugeError) as error:
            remedy = advice(error, self._settings.redis_url or "")
            sentence = f"{error}; {remedy}" if remedy else str(error)
            self._log.warning("alerts not taken", error=sentence, alerts=len(asking))
            return _Answer(error_response(503, sentence), Counter({"unavailable": len(asking)}))
        outcomes += Counter({"duplicate": asked.told_before, "outdated": asked.outdated})
        if asked.outcome is not None:
            outcomes[asked.outcome] += asked.new
        self._show(asked, next(iter(asking.values())))
        return self._answered(notification, outcomes, asked.event_id)

    def _passed_by(self, alert: Alert) -> Outcome | None:
        """Why an alert asks for nothing, if so."""
        if alert.labels.action != RETRAIN:
            return "other_action"
        if alert.labels.pipeline not in {None, self._settings.pipeline}:
            return "other_pipeline"
        if alert.labels.alertname in _NO_DATA:
            return "no_data"
        return "resolved" if alert.status == "resolved" else None

    def _ask(self, asking: dict[AskingAlert, Alert]) -> Asked:
        """Write the event. Raises StreamgaugeError or a Redis error where that is not possible now."""
        first = next(iter(asking.values()))
        event = RetrainEvent(
            reason="alert",
            alert=first.labels.alertname[:NAME_CHARACTERS],
            sentence=first.annotations.summary[:SUMMARY_CHARACTERS] or None,
        )
        if not self._turn.acquire(timeout=TURN_S):
            raise StreamgaugeError("another notification waits for Redis; send this one again")
        try:
            production = self._registry.production()
            if production is None:
                raise NoProductionModel("there is no model in production yet; run streamgauge fit")
            cooldown_ms = round(self._settings.retrain_cooldown_s * 1000)
            keys = self._settings.keys
            return ask_retraining(self._connection, keys, production, event, list(asking), cooldown_ms)
        finally:
            self._turn.release()

    def _show(self, asked: Asked, first: Alert) -> None:
        if asked.outcome is None:
            return
        if asked.outcome == "written":
            self._telemetry.retrain_events.labels(self._settings.pipeline, "alert").inc()
        say = self._log.warning if asked.outcome == "written" else self._log.info
        say("alert asks to retrain", outcome=asked.outcome, request=asked.event_id, alert=first.labels.alertname)

    def _answered(self, notification: Notification, outcomes: Counter[Outcome], event_id: str | None) -> _Answer:
        if notification.truncated_alerts > 0:
            self._log.warning(
                "the sender left alerts out; raise or unset its max_alerts", alerts=notification.truncated_alerts
            )
        told = {
            "retrain_event": event_id,
            "alerts": {outcome: count for outcome, count in sorted(outcomes.items()) if count},
            "truncated_alerts": notification.truncated_alerts,
        }
        return _Answer(json_response(200, told), outcomes)


def _refused(status: int, sentence: str) -> _Answer:
    return _Answer(error_response(status, sentence), Counter(["refused"]))
