"""Other people's text on a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from streamgauge.terminal_text import NO_BREAK, print_wrapped, shortened


def printed(sentence: str, *, terminal: bool, indent: int = 0) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=20, markup=False, soft_wrap=True, force_terminal=terminal, color_system=None)
    print_wrapped(console, sentence, indent=indent)
    return out.getvalue().splitlines()


def test_a_sentence_is_wrapped_with_an_indent_on_a_terminal_and_whole_in_a_pipe() -> None:
    sentence = "one two three four five-six seven"
    assert printed(sentence, terminal=True) == ["one two three four", "  five-six seven"]
    assert printed(sentence, terminal=True, indent=2) == ["  one two three four", "    five-six seven"]
    assert printed(sentence, terminal=False, indent=2) == [f"  {sentence}"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_space_that_breaks_no_line_is_printed_as_a_space(terminal: bool) -> None:
    lines = printed(f"the feature Area{NO_BREAK}-0.51{NO_BREAK}SD", terminal=terminal)
    assert lines[-1].endswith("Area -0.51 SD")


@given(name=st.text(max_size=40), most=st.integers(5, 30))
def test_a_shortened_name_fits_and_is_whole_where_it_can_be(name: str, most: int) -> None:
    shown = shortened(name, most)
    assert cell_len(shown) <= most
    assert shown.isprintable()
    if name.isprintable() and cell_len(name) <= most:
        assert shown == name
