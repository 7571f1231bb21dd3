"""A broken copy of the configuration: with another token nothing is asked, and Alertmanager says it failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.ops.end_to_end.conftest import Stage
from tests.ops.end_to_end.live import PIPELINE
from tests.ops.end_to_end.monitoring import running_alertmanager
from tests.servers import free_port

pytestmark = pytest.mark.timeout(600)


def test_a_wrong_token_is_refused_and_seen(stage: Stage, tmp_path: Path) -> None:
    events, refused = stage.live.events(), stage.live.webhook_alerts("refused")
    wrong = tmp_path / "alerts-token"
    wrong.write_text("another-token-than-the-monitor-has", encoding="utf-8")
    here = {"alertmanager": f"127.0.0.1:{free_port()}"}
    addresses = replace(stage.addresses, services={**stage.addresses.services, **here}, token_file=wrong)
    with running_alertmanager(tmp_path / "alertmanager", addresses) as alertmanager:
        labels = {"alertname": "TooManyComplaints", "pipeline": PIPELINE, "action": "retrain"}
        alertmanager.post(labels, "Customers complain.")
        stage.until(lambda: alertmanager.failed() >= 1, "the failure in Alertmanager's own metrics")
    assert stage.live.webhook_alerts("refused") > refused
    assert stage.live.events() == events
