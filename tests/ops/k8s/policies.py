"""All policies together."""

from __future__ import annotations

from tests.ops.k8s.link_policy import link_complaints
from tests.ops.k8s.monitoring_policy import monitoring_complaints
from tests.ops.k8s.network_policy import network_complaints
from tests.ops.k8s.pod_policy import pod_complaints
from tests.ops.k8s.rendered import Rendered
from tests.ops.k8s.scaling_policy import scaling_complaints
from tests.ops.k8s.setting_policy import setting_complaints

_POLICIES = (
    pod_complaints,
    link_complaints,
    setting_complaints,
    scaling_complaints,
    monitoring_complaints,
    network_complaints,
)


def complaints(rendered: Rendered) -> list[str]:
    """What any of them has to say."""
    return [complaint for policy in _POLICIES for complaint in policy(rendered)]
