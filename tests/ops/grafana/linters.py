"""What amlint and yamllint say of Grafana's files; amlint does not hold policies against contact points."""

from __future__ import annotations

from pathlib import Path

from tests.ops.tools import CHECKOUT, run


def amlint_errors(folder: Path) -> str:
    """What amlint has against contact points and policies; empty where it has nothing."""
    files = [folder / "provisioning" / "alerting" / f"{name}.yml" for name in ("contact-points", "policies")]
    done = run("amlint", "check", "--strict", "--input-format", "grafana", *files)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def yaml_errors(folder: Path) -> str:
    """What yamllint has against the provisioning files; empty where it has nothing."""
    done = run("yamllint", "--strict", "-c", CHECKOUT / "tests" / "ops" / "yamllint.yml", folder / "provisioning")
    return "" if done.returncode == 0 else done.stdout + done.stderr
