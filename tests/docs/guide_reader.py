"""A reader of the guides, who has Node.js and Go besides: their programs run as they stand on the page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.code_blocks import CHECKOUT, Block
from tests.docs.page_runner import PageRunner

#: Where ``make check-guides`` puts the client of Node.js, and Debian that of Go.
NODE_MODULES = CHECKOUT / "tests" / "docs" / "clients" / "node_modules"
GO_PATH = Path("/usr/share/gocode")


class Runtime(NamedTuple):
    """What runs the programs of a language."""

    program: str
    command: str
    file: str  #: that the program stands in
    client: Path  #: that it imports
    in_ci: bool  #: CI installs it


RUNTIMES = {
    "js": Runtime("node", "node push.mjs", "push.mjs", NODE_MODULES / "redis", in_ci=True),
    "go": Runtime(
        "go",
        f"GO111MODULE=off GOPATH={GO_PATH} go run main.go",
        "main.go",
        GO_PATH / "src" / "github.com" / "gomodule" / "redigo",
        in_ci=False,  # 340 MB
    ),
}


class GuideReader(PageRunner):
    """Runs a page; programs of other languages too, once they are asked for."""

    def run_program(self, block: Block) -> None:
        """Run a program of another language; skip, by name, where what it needs is not there.

        A failure where GUIDE_CLIENTS is "required", as in ``make check-guides``, and in CI where it is installed.
        """
        runtime = RUNTIMES[block.language]
        there = {runtime.program: shutil.which(runtime.program), str(runtime.client): runtime.client.exists()}
        lacking = [what for what, found in there.items() if not found]
        if lacking:
            sentence = f"{block.place}: no {' and no '.join(lacking)}; make check-guides installs it"
            if os.environ.get("GUIDE_CLIENTS") == "required" or (os.environ.get("CI") and runtime.in_ci):
                pytest.fail(sentence)
            pytest.skip(sentence)
        (self.folder / runtime.file).write_text(block.text, encoding="utf-8")
        modules = self.folder / "node_modules"
        if not modules.exists() and NODE_MODULES.exists():
            modules.symlink_to(NODE_MODULES)
        status = self._run_in_shell(runtime.command)
        assert status == 0, f"{block.place}: ended with status {status} and said\n{self.said}"
