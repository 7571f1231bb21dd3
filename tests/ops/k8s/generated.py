"""``make k8s-generated``: the files of k8s/ that say again what stands elsewhere; a test finds them stale.

The rules of Prometheus as a resource of its operator, which reads no files: the same text under ``spec``, comments
and all. And the template of the Secrets, with the users of the server's ACL file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent

from streamgauge.secrets.users import USERS, acl_lines
from tests.ops.tools import CHECKOUT

RULES = CHECKOUT / "observability" / "prometheus" / "rules" / "streamgauge.yml"
RULE_RESOURCE = CHECKOUT / "k8s" / "components" / "monitoring" / "prometheus-rule.yaml"
SECRETS_TEMPLATE = CHECKOUT / "k8s" / "secrets.template.yaml"

_RULE_HEAD = """\
# Made by `make k8s-generated` from observability/prometheus/rules/streamgauge.yml; edit that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: streamgauge
  namespace: streamgauge
  labels:
    app.kubernetes.io/name: streamgauge
    app.kubernetes.io/part-of: streamgauge
spec:
"""
_SECRETS_HEAD = """\
# Made by `make k8s-generated`; users.acl is what streamgauge/secrets/users.py has for the pipeline `default`.
#
# What the Secrets look like; a template for those who keep them elsewhere (sealed, or in a vault). No overlay has
# it, as it must never be applied with these passwords. `streamgauge secrets DIR` makes real ones, and
# docs/operations/kubernetes.md shows the commands that put them into the cluster.
"""
_ONE_HEAD = """\
apiVersion: v1
kind: Secret
metadata:
  name: {name}
  namespace: streamgauge
  labels:
    app.kubernetes.io/part-of: streamgauge
stringData:
"""


def rule_resource(rules: Path) -> str:
    """The PrometheusRule of a rule file, as YAML."""
    return _RULE_HEAD + _indented(rules.read_text(encoding="utf-8"), 2)


def secrets_template() -> str:
    """The Secrets with no password in them, as YAML."""
    urls = {f"{user}-url": f"redis://{user}:CHANGE-ME@valkey:6379/0" for user in ("scorer", "monitor", "trainer")}
    return _SECRETS_HEAD + "---\n".join(
        [
            _secret("streamgauge-redis", {**urls, "keda-username": "keda", "keda-password": "CHANGE-ME"}),
            "# Alertmanager and Grafana need the same token.\n"
            + _secret("streamgauge-alerts", {"token": "CHANGE-ME-to-16-characters-or-more"}),
            "# For components/valkey alone.\n"
            + _secret("valkey-acl", {"healthcheck-password": "CHANGE-ME"})
            + _users(),
        ]
    )


def _secret(name: str, values: dict[str, str]) -> str:
    return _ONE_HEAD.format(name=name) + "".join(f"  {key}: {value}\n" for key, value in values.items())


def _users() -> str:
    lines = acl_lines("default", {user.name: ">CHANGE-ME" for user in USERS})
    return "  # yamllint disable rule:line-length\n  users.acl: |\n" + _indented("\n".join(lines) + "\n", 4)


def _indented(text: str, spaces: int) -> str:
    return indent(text, " " * spaces, lambda line: bool(line.strip()))


if __name__ == "__main__":
    for file, text in ((RULE_RESOURCE, rule_resource(RULES)), (SECRETS_TEMPLATE, secrets_template())):
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"made {file.relative_to(CHECKOUT)}\n")
