"""The peers' own environment: made once, with the python of the project, from requirements.txt."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_FOLDER = Path(__file__).parent
#: Pinned packages of the peers.
REQUIREMENTS = _FOLDER / "requirements.txt"
#: Installing takes half a minute where the packages are near; longer than this is a failure.
_INSTALL_S = 900.0
_VERSIONS = (
    "import json, sys; from importlib.metadata import version; "
    "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
)


class PeerEnvironment:
    """Installs the peers when the first of them is needed; a failure is remembered and said, not raised."""

    def __init__(self, say: Callable[[str], None], folder: Path = _FOLDER / ".venv") -> None:
        self._say = say
        self._folder = folder
        self._looked = False
        self.missing = ""  #: why there is none; empty where there is

    @property
    def python(self) -> Path | None:
        """Its interpreter, or None where it cannot be installed."""
        if not self._looked:
            self._looked = True
            self.missing = self._install()
        return None if self.missing else self._folder / "bin" / "python"

    def versions(self, *packages: str) -> dict[str, str]:
        """Versions of its packages; empty where it is not there."""
        if self.python is None:
            return {}
        done = subprocess.run(
            [str(self.python), "-c", _VERSIONS, *packages], capture_output=True, text=True, check=False
        )
        found: dict[str, str] = json.loads(done.stdout) if not done.returncode else {}
        return found

    def _install(self) -> str:
        wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
        stamp = self._folder / ".installed"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return ""
        self._say("installing the peers into bench/peers/.venv (once)")
        pip = [str(self._folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(self._folder)],
            [*pip, "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
        ):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
            except (OSError, subprocess.TimeoutExpired) as error:
                return f"not installed: {error}"
            if done.returncode:
                lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
                return f"not installed: {lines[-1][:120] if lines else f'status {done.returncode}'}"
        stamp.write_text(wanted, encoding="utf-8")
        return ""
