"""What a real browser needs: Playwright's package, Chromium, axe-core, and where each is.

``make check-page`` installs them. A missing one is a failure, never a skip: whoever runs these tests wants to
know.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "tests" / "page"
#: The environment with the packages of requirements.txt.
VENV = PAGE / ".venv"
#: Where the tests leave their pictures.
OUT = PAGE / "out"
_AXE = PAGE / "node_modules" / "axe-core" / "axe.min.js"
_REMEDY = "run make check-page, which installs it"


class ToolMissing(Exception):
    """Something that ``make check-page`` installs is not there; the message says what."""


def use_packages() -> None:
    """Let this process import Playwright from :data:`VENV`, behind the packages of the project itself.

    Raises
    ------
    ToolMissing
        It is not there for this Python.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = VENV / "lib" / version / "site-packages"
    if not packages.is_dir():
        raise ToolMissing(f"no packages for {version} in {VENV}; {_REMEDY}")
    if str(packages) not in sys.path:
        sys.path.append(str(packages))


def chromium() -> str:
    """The path of the distribution's browser. Raises ToolMissing where there is none."""
    found = shutil.which("chromium")
    if found is None:
        raise ToolMissing(f"chromium is missing: it is in the distribution's chromium package; {_REMEDY}")
    return found


def axe_source() -> str:
    """The script of axe-core. Raises ToolMissing where it is not installed."""
    if not _AXE.is_file():
        raise ToolMissing(f"axe-core is missing: it is in tests/page/package.json; {_REMEDY}")
    return _AXE.read_text(encoding="utf-8")
