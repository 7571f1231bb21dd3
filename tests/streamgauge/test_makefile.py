"""The Makefile's promises: it empties nobody else's environment, and `make lock` writes both locks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder that has the Makefile alone, and files that its rules depend on."""
    shutil.copy(CHECKOUT / "Makefile", folder)
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).touch()
    # without what a make above these tests hands down
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    program = shutil.which("make")
    assert program is not None
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_an_environment_behind_a_link_is_not_emptied(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
    (theirs / "kept").write_text("")
    (ours / ".venv").symlink_to(theirs)
    done = make(ours, ".venv/.installed")
    assert done.returncode != 0
    assert ".venv is a link" in done.stderr
    assert [path.name for path in theirs.iterdir()] == ["kept"]


def test_both_locks_are_written_and_one_is_a_part_of_the_other(tmp_path: Path) -> None:
    whole, runtime = make(tmp_path, "--dry-run", "lock").stdout.replace("\\\n", "").splitlines()
    assert whole.endswith("-o requirements.lock")
    assert runtime.endswith("-o requirements-runtime.lock")
    assert "--constraint requirements.lock" in runtime
    assert "--extra" not in runtime
