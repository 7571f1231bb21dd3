"""The shells complete commands, options, values and runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.streamgauge.commands_listed import all_commands
from tests.streamgauge.conftest import command_environment

#: Where the installed command is: beside the interpreter.
BIN = Path(sys.executable).parent
#: What bash does when TAB is pressed behind words that stand on a line of standard input, for each line.
BASH = r"""
eval "$(_STREAMGAUGE_COMPLETE=source_bash streamgauge)"
complete -p streamgauge >&2
while IFS=' ' read -r -a COMP_WORDS; do
    [ "${COMP_WORDS[-1]}" = "''" ] && COMP_WORDS[-1]=""
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _streamgauge_completion streamgauge
    echo "${COMPREPLY[@]}"
done
"""


def shell(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A new shell that reads nothing of this user's."""
    if not (BIN / "streamgauge").exists():
        pytest.skip("streamgauge is not installed beside this Python")
    environment = {**command_environment(), "HOME": str(folder), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def completed(folder: Path, *lines: str) -> list[str]:
    """What bash offers for the last word of each line; '' is a word that was not begun."""
    typed = "".join(f"streamgauge {line}\n" for line in lines)
    said = shell(folder, "bash", "--norc", "-c", BASH, stdin=typed)
    assert said.returncode == 0, said.stderr
    assert "_streamgauge_completion streamgauge" in said.stderr
    return said.stdout.splitlines()


def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    offered = {
        "stat": "status",
        "groups re": "retire require",
        "status --wa": "--watch",
        "fit --solver ''": "newton gradient_descent sgd",
        "compare prod": "production",
    }
    assert dict(zip(offered, completed(tmp_path, *offered), strict=True)) == offered


@pytest.mark.parametrize(
    ("command", "option", "begun", "values"),
    [
        ("fit", "--calibrate", "i", ["isotonic"]),
        ("validate", "--calibrate", "p", ["platt"]),
        ("fit", "--threshold-by", "f", ["f1"]),
        ("fit", "--class-weight", "", ["none", "balanced"]),
        ("fit", "--split", "t", ["time"]),
        ("produce", "--durability", "r", ["replica"]),
        ("produce", "--format", "j", ["jsonl"]),
    ],
)
def test_options_with_choices_offer_them(command: str, option: str, begun: str, values: list[str]) -> None:
    (found,) = [one for one in all_commands() if one.name == command]
    (parameter,) = [one for one in found.command.params if option in one.opts]
    context = found.command.make_context(command, [], resilient_parsing=True)
    assert [offered.value for offered in parameter.shell_complete(context, begun)] == values


def test_bash_completes_the_runs_of_the_folder(tmp_path: Path, fitted_small: str) -> None:
    assert completed(tmp_path, f"promote {fitted_small[:4]}", "report zzz") == [fitted_small, ""]


def test_settings_that_cannot_be_read_do_not_disturb_completion(tmp_path: Path) -> None:
    (tmp_path / "streamgauge.toml").write_text("nonsense = 1\n")
    assert completed(tmp_path, "promote ''") == [""]


def test_installed_completion_is_there_in_a_new_bash(tmp_path: Path) -> None:
    installed = shell(tmp_path, "bash", "--norc", "-c", "streamgauge --install-completion; true")
    assert "bash completion installed" in installed.stdout, installed
    again = shell(tmp_path, "bash", "--norc", "-c", ". ~/.bashrc; complete -p streamgauge")
    assert "_streamgauge_completion" in again.stdout, again.stderr


def test_fish_completes_values(tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "env _STREAMGAUGE_COMPLETE=source_fish streamgauge | source; complete -C 'streamgauge fit --solver n'"
    assert shell(tmp_path, "fish", "--no-config", "-c", script).stdout.split() == ["newton"]


def test_zsh_takes_the_completion(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = (
        'autoload -Uz compinit; compinit -u; eval "$(_STREAMGAUGE_COMPLETE=source_zsh streamgauge)"; '
        "print ${_comps[streamgauge]}"
    )
    assert shell(tmp_path, "zsh", "-f", "-c", script).stdout.split() == ["_streamgauge_completion"]
