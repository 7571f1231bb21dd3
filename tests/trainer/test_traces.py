"""A retraining is a span, which continues the trace that its event carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from core.drift_window import RetrainEvent
from core.fields import encode_fields
from tests.otlp_collector import running_collector

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

CARRIED = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_an_answered_event_is_a_span_of_its_trace(stage: Stage) -> None:
    first = stage.first_model()
    with running_collector() as collector:
        stage.settings = msgspec.structs.replace(stage.settings, otlp_endpoint=collector.url)
        service = stage.trainer()
        with stage.running(service):
            stage.next_promotion()
            stage.drifted(labels=300)
            fields = encode_fields(RetrainEvent(reason="manual", model=first))
            event_id = stage.connection.call("XADD", stage.keys.retrain, "*", *fields, "_traceparent", CARRIED)
            span = collector.of_record(event_id)
    assert (span.trace_id.encode(), span.parent_id.encode()) == (CARRIED[3:35], CARRIED[36:52])
    assert span.name == f"answer {stage.keys.retrain}"
    assert span.resource["service.name"] == "streamgauge-trainer"
    (run,) = stage.answers()
    assert span.attributes["streamgauge.run"] == run.run_id
    assert span.attributes["streamgauge.outcome"] == run.meta.outcome
    assert span.attributes["streamgauge.labelled_rows"] == 300
