"""The tutorial, word for word: every command of the page in order, and what is to be seen after each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.code_blocks import CHECKOUT, blocks_of
from tests.docs.patient_reader import PatientReader

TUTORIAL = CHECKOUT / "docs" / "tutorial.md"
#: The last step, which begins with Ctrl-C.
STOP = "9. Stop, and clean up"


@pytest.mark.timeout(400)
def test_the_tutorial_is_followed_to_its_end(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    said = ""
    with PatientReader(clone) as reader:
        for block in blocks_of(TUTORIAL):
            if block.heading == STOP and reader.services:
                (up,) = reader.services
                reader.press_ctrl_c()
                said = up.lines[-1]
            reader.run_block(block)
    assert said == "stopping: services finish what they hold\n"
    assert f"`{said.strip()}`" in TUTORIAL.read_text(encoding="utf-8")
    assert not (tmp_path / "my-stream").exists()
