from __future__ import annotations

from core.listing import LISTED_NAMES, listed


def test_long_lists_and_long_names_are_cut_short() -> None:
    assert listed([str(number) for number in range(LISTED_NAMES)]).endswith("'11'")
    assert listed([str(number) for number in range(LISTED_NAMES + 1)]).endswith("'11', ...")
    assert listed(["x" * 100]) == repr("x" * 40)
