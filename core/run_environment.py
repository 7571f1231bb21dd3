"""What a run was made with: this code, to the byte, and what it stands on."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from core.package_version import package_version

#: The folders whose code decides what a training makes of its rows.
_TRAINING_CODE = ("core", "trainer")
_CHECKOUT = Path(__file__).resolve().parents[1]
#: git answers in milliseconds; one that hangs, as on a lost network disk, must not hang the training.
_GIT_S = 5.0


class RunEnvironment(msgspec.Struct, frozen=True):
    """The code and its surroundings; equal trainings may differ in the last digits where BLAS or platform do."""

    streamgauge: str  #: version of the package
    commit: str | None  #: of the git checkout that the code stands in; None: it stands in none
    #: Whether a file of the checkout differs from that commit.
    changed: bool | None
    code_sha256: str  #: of the source files that training consists of, whatever git says
    python: str
    numpy: str
    blas: str
    platform: str


@cache
def current_environment() -> RunEnvironment:
    """Of this process, found once: the code that runs is the code that it was started with."""
    commit, changed = git_state(_CHECKOUT)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return RunEnvironment(
        streamgauge=package_version(),
        commit=commit,
        changed=changed,
        code_sha256=code_digest(_CHECKOUT),
        python=platform.python_version(),
        numpy=np.__version__,
        blas=f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        platform=platform.platform(),
    )


def git_state(checkout: Path) -> tuple[str | None, bool | None]:
    """Commit of a checkout, and whether its files differ from it; (None, None) where git cannot tell.

    Only a folder with a ``.git`` of its own is asked: an environment inside of another project's checkout would
    otherwise tell that project's commit.
    """
    if not (checkout / ".git").exists():
        return None, None
    command = ["git", "-c", f"safe.directory={checkout}", "status", "--porcelain=v2", "--branch", "-uno"]
    # a hook's GIT_DIR names another repository; without optional locks the index is left as it is
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  (fixed words and our own folder)
            command,
            cwd=checkout,
            env=surroundings | {"GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=_GIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None, None
    lines = done.stdout.splitlines()
    found = [line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")]
    if not found or found[0] == "(initial)":
        return None, None
    return found[0], any(not line.startswith("#") for line in lines)


def code_digest(checkout: Path) -> str:
    """SHA-256 over names and contents of the source files that training consists of."""
    digest = hashlib.sha256()
    files = (path for folder in _TRAINING_CODE for path in (checkout / folder).rglob("*.*"))
    for path in sorted(path for path in files if path.suffix in {".py", ".lua"} and path.is_file()):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(checkout).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()
