from __future__ import annotations

from importlib.resources import files

import pytest


@pytest.mark.parametrize("package", ["core", "producer", "scorer", "monitor", "trainer", "streamgauge"])
def test_each_package_says_that_it_is_typed(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()
