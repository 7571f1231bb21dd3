"""What Alertmanager and Grafana post to a webhook, as far as it is looked at."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

#: As both write it, with room for a longer hash; it becomes part of a key.
_Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{1,64}$")]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Annotations(msgspec.Struct, frozen=True):
    """What an alert's rule says of it."""

    summary: str = ""


class Labels(msgspec.Struct, frozen=True):
    """The labels that decide what an alert is for."""

    alertname: str = ""
    action: str = ""
    pipeline: str | None = None


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a notification."""

    status: Literal["firing", "resolved"]
    fingerprint: _Fingerprint
    starts_at: _Time
    labels: Labels = Labels()
    annotations: Annotations = Annotations()

    @property
    def started_ms(self) -> int:
        """When it began to fire, in ms since 1970 by the clock of whoever says so."""
        return round(self.starts_at.timestamp() * 1000)


class Notification(msgspec.Struct, frozen=True, rename="camel"):
    """Alertmanager's body of version 4, or Grafana's, which is of version 1 and names its organisation."""

    version: str
    alerts: list[Alert]
    truncated_alerts: int = 0  #: alerts that were left out, because the sender is set to send no more at once
    org_id: int | None = None


#: Version of the body by who sends it.
_VERSIONS = {"Alertmanager": "4", "Grafana": "1"}


def read_notification(body: bytes) -> Notification:
    """Decode a body.

    Raises
    ------
    ValueError
        It is none, with a sentence that names the field.
    """
    try:
        notification = msgspec.json.decode(body, type=Notification)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"the body is no notification of Alertmanager or Grafana: {error}") from error
    sender = "Alertmanager" if notification.org_id is None else "Grafana"
    if notification.version != _VERSIONS[sender]:
        raise ValueError(
            f"the body has version {notification.version[:20]!r} of {sender}'s notifications; send version "
            f"{_VERSIONS[sender]!r}"
        )
    return notification
