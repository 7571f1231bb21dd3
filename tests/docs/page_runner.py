"""Runs what a page tells its reader to run, in order, in a folder that looks as the page assumes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.docs.accounts import RUN_BY_OPS
from tests.docs.background import READY, BackgroundCommand
from tests.docs.code_blocks import SHELLS, Block, Command, blocks_of
from tests.docs.shown_output import complaint

#: How long one command may take, on a busy machine.
PATIENCE_S = 100
#: Width of the terminal: what the pages' tables were printed in.
COLUMNS = "100"
#: Commands that tell with status 1 that they found something, as their pages say.
TELLS_WITH_1 = ("streamgauge doctor", "streamgauge drift", "streamgauge redrive")
#: Programs of the distribution that pages use, and their packages; CI installs them.
PACKAGES = {"curl": "curl", "jq": "jq", "openssl": "openssl", "redis-cli": "redis-tools"}
#: The ports that pages name, and what listens there; here each has any free one.
_NAMED_PORTS = {"16379": "server", "6379": "server", "8000": "scorer", "8001": "monitor", "8002": "trainer"}
_ADDRESS = re.compile(r"\b(?:localhost|127\.0\.0\.1):(\d+)\b")


class PageRunner:
    """A reader with one shell, who keeps services running in other terminals until the page ends.

    Parameters
    ----------
    folder
        Where the commands run; ``.venv`` in it becomes the environment of these tests.
    replace
        What stands for words of the page in its commands, as for a run id that it made up.
    environment
        Further variables of the reader's shell.
    given
        Python that comes before each block of Python: the names which the page takes for granted.
    server_url
        A server that is there already, at the address that the page gives it.
    once
        A pattern of commands that only look: one that was run in the same words is not run again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replace: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        given: str = "",
        server_url: str = "",
        once: str = "",
    ) -> None:
        self.folder = folder
        self._once = re.compile(once)
        self._said_before: dict[str, str] = {}
        self.replace = dict(replace or {})
        self.given = given
        self.addresses: dict[str, str] = {}
        if server_url:
            self.addresses["server"] = server_url.partition("//")[2].partition("/")[0]
        self.services: list[BackgroundCommand] = []
        #: What the command before printed.
        self.said = ""
        self._extra = dict(environment or {})
        self._state = folder / ".reader"
        self._state.mkdir(exist_ok=True)
        (self._state / "shell").unlink(missing_ok=True)  # of another reader, in a folder that was copied
        link = folder / ".venv"
        if not link.exists():
            link.symlink_to(sys.prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failed = self._stop_services()
        assert error is not None or not failed, "\n".join(failed)

    def press_ctrl_c(self) -> None:
        """End what runs in the other terminals."""
        failed = self._stop_services()
        assert not failed, "\n".join(failed)

    def _stop_services(self) -> list[str]:
        failed = [sentence for service in reversed(self.services) if (sentence := service.stop())]
        self.services.clear()
        return failed

    def run_page(self, page: Path, *, figures: bool = False) -> list[Block]:
        """Run each block of a page that is to be run, and return those.

        With ``figures`` shown output has the very numbers that are printed here, but for the last digit.
        """
        return [block for block in blocks_of(page) if self.run_block(block, figures=figures)]

    def run_block(self, block: Block, *, figures: bool = False) -> bool:
        """Run a block of commands or Python, or compare output with what came last.

        Returns whether there was anything to do.
        """
        if block.not_run:
            return False
        if block.language in SHELLS:
            commands = block.commands_to_run()
            for command in commands:
                self._run_command(block, command, figures=figures)
            return bool(commands)
        if block.language == "python":
            self._run_python(block)
            return True
        if block.language == "text":
            if not block.output_not_compared:
                wrong = complaint(block.text, self.said, figures=figures)
                assert not wrong, f"{block.place}: {wrong}"
            return True
        return False

    def run(self, text: str) -> str:
        """Run a command that no page shows, as the reader would, and return what it printed."""
        block = Block("a command before the page", 0, "", "sh", text)
        self.run_block(block)
        return self.said

    def _run_command(self, block: Block, command: Command, *, figures: bool) -> None:
        if command.program in RUN_BY_OPS:
            return
        _require(command.program)
        place, text = f"{block.page}:{command.line}", self.as_here(command.text)
        ready = next((ready for start, ready in READY if re.match(start, " ".join(command.words))), None)
        if ready is not None:
            service = BackgroundCommand(place, self._with_state(text), self.folder, self.environment(), ready)
            self.services.append(service)
            self.addresses.update(service.addresses())
            return
        plain = " ".join(command.words)
        if plain in self._said_before:
            self.said = self._said_before[plain]
        else:
            self._run_to_its_end(place, command, text)
            if self._once.fullmatch(plain):
                self._said_before[plain] = self.said
        if command.shown and not block.output_not_compared:
            wrong = complaint(command.shown, self.said, figures=figures)
            assert not wrong, f"{place}: {wrong}"

    def _run_to_its_end(self, place: str, command: Command, text: str) -> None:
        status = self._run_in_shell(text)
        may = (0, 1) if " ".join(command.words[:2]) in TELLS_WITH_1 else (0,)
        assert status in may, f"{place}: {text}\nended with status {status} and said\n{self.said}"

    def _run_python(self, block: Block) -> None:
        script = self._state / "block.py"
        script.write_text(f"{self.given}\n{self.as_here(block.text)}\n", encoding="utf-8")
        status = self._run_in_shell(f"python {script}")
        assert status == 0, f"{block.place}: ended with status {status} and said\n{self.said}"

    def _run_in_shell(self, text: str) -> int:
        """Run a command in the reader's shell: what it exports, and the folder it goes to, hold for the next."""
        keep = f"status=$?; {{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > {self._state}/shell; exit $status"
        with subprocess.Popen(
            ["/bin/bash", "-c", f"{self._with_state(text)}\n{keep}"],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",  # redis-cli prints bytes of a block as they are
            start_new_session=True,
        ) as process:
            try:
                self.said, _ = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                self.said, _ = process.communicate()
                return -signal.SIGKILL
        return process.returncode

    def _with_state(self, text: str) -> str:
        return f"[ ! -e {self._state}/shell ] || . {self._state}/shell\n{text}"

    def as_here(self, text: str) -> str:
        """The text with words and addresses as they are in this run."""
        for word, ours in self.replace.items():
            text = text.replace(word, ours)
        return _ADDRESS.sub(self._address, text)

    def _address(self, found: re.Match[str]) -> str:
        return self.addresses.get(_NAMED_PORTS.get(found[1], ""), found[0])

    def environment(self) -> dict[str, str]:
        """This environment without settings of ours; a terminal of fixed width, free ports, our programs first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
        return {
            **kept,
            "PATH": f"{self.folder / '.venv' / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "COLUMNS": COLUMNS,
            "TERM": "dumb",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "STREAMGAUGE_HTTP_PORT": "0",
            **self._extra,
        }


def _require(program: str) -> None:
    """Skip, by name, where a program of the distribution is not installed; in CI it is."""
    package = PACKAGES.get(program)
    if package is not None and shutil.which(program) is None:
        message = f"no {program} on the path; install the distribution's {package} package"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
