"""From a drift, or an alert alone, to a new model in production, through the real Prometheus and Alertmanager.

In their order: the second test finds the model that the first one brought.
"""

from __future__ import annotations

import pytest

from tests.ops.end_to_end.conftest import Stage
from tests.ops.end_to_end.live import PIPELINE

#: Both tests wait for real programs that look at the clock.
pytestmark = pytest.mark.timeout(900)


def test_an_alert_alone_leads_to_a_new_model_without_a_drift(stage: Stage) -> None:
    """As of a rule of one's own, say on a figure of the business: nothing that the monitor knows of."""
    live = stage.live
    before, promoted = live.production(), live.newest(live.keys.promotions)
    stage.until(lambda: int(live.connection.call("XLEN", live.keys.drift)) >= 6, "600 labelled rows")
    assert live.events() == []
    labels = {"alertname": "TooManyComplaints", "pipeline": PIPELINE, "action": "retrain", "severity": "warning"}
    asked = live.newest(live.keys.retrain)
    stage.alertmanager.post(labels, "Customers complain.")
    event = live.next_entry(live.keys.retrain, asked)
    assert (event[b"reason"], event[b"alert"]) == (b"alert", b"TooManyComplaints")
    assert (event[b"model"].decode(), event[b"sentence"]) == (before, b"Customers complain.")
    promotion = live.next_entry(live.keys.promotions, promoted)
    assert promotion[b"previous"].decode() == before
    stage.alertmanager.post(labels, "Customers complain.", ended=True)
    stage.until(lambda: live.webhook_alerts("resolved") >= 1, "the alert is resolved")
    assert live.events() == ["alert"]
    assert live.webhook_alerts("written") == 1


def test_a_drift_leads_to_an_alert_one_event_a_new_model_and_the_end_of_the_alert(stage: Stage) -> None:
    live, name = stage.live, "StreamgaugeDrift"
    before, promoted = live.production(), live.newest(live.keys.promotions)
    asked, resolved, said = live.newest(live.keys.retrain), live.webhook_alerts("resolved"), live.events()
    stage.until(lambda: stage.prometheus.alert_state(name) == "inactive", "no drift alert")
    stage.feed.labelled, stage.feed.shift = False, 2.0  # without labels nothing can be trained yet
    event = live.next_entry(live.keys.retrain, asked)
    assert (event[b"reason"], event[b"model"].decode()) == (b"drift", before)
    stage.until(lambda: stage.prometheus.query("pipeline:streamgauge_drift_alert:max == 1") != [], "the gauge")
    stage.until(lambda: stage.prometheus.alert_state(name) == "firing", "the firing alert")
    stage.until(lambda: bool(stage.alertmanager.active(name)), "the alert in Alertmanager")
    stage.until(lambda: live.webhook_alerts("coalesced") >= 1, "the alert at the monitor")
    assert live.events() == [*said, "drift"]  # one episode, one event
    assert live.production() == before
    stage.feed.labelled = True
    promotion = live.next_entry(live.keys.promotions, promoted)
    assert promotion[b"previous"].decode() == before
    stage.until(lambda: stage.prometheus.alert_state(name) == "inactive", "the end of the alert")
    stage.until(lambda: not stage.alertmanager.active(name), "its end in Alertmanager")
    stage.until(lambda: live.webhook_alerts("resolved") > resolved, "its end at the monitor")
    assert live.events() == [*said, "drift"]
    assert live.webhook_alerts("written") == len([reason for reason in live.events() if reason == "alert"])
    assert stage.alertmanager.failed() == 0
