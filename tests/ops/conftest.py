"""What all checks of the files for operators share: the programs, and the packages that they read files with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ops.tools import CHECKOUT, program, use_packages

use_packages()  # before a module of a test imports one


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """``tool(name)``: the path of a program; a missing one fails the test and says which package has it."""
    return program


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the project."""
    return CHECKOUT
