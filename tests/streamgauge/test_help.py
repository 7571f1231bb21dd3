"""Help says what a command does in a sentence, with an example that works, on a terminal of 80 columns."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.streamgauge.commands_listed import EXAMPLE, Listed, all_commands, parse
from tests.streamgauge.conftest import Run, command_environment

COMMANDS = all_commands()
#: Words of the code, which no user should have to know.
INTERNAL = re.compile(r"\b(struct|msgspec|callback|kwargs|enum|stdout|dict|XADD|XREAD\w*|Typer)\b", re.IGNORECASE)
#: Commands that have no answer for a script: what they do is for people to watch, or they only group others.
NO_JSON = {"", "demo"}


def names(found: Listed) -> str:
    return found.name or "streamgauge"


@pytest.mark.parametrize("found", COMMANDS, ids=names)
def test_every_command_begins_with_one_sentence(found: Listed) -> None:
    first, *_ = found.paragraphs
    sentence = " ".join(first.split())
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert len(sentence) <= 140, sentence


@pytest.mark.parametrize("found", COMMANDS, ids=names)
def test_every_command_has_an_example_that_parses_as_that_command(found: Listed) -> None:
    assert len(found.examples) == 1, found.paragraphs
    parsed = parse(found.examples[0])
    assert parsed.path == found.path or not found.path


def test_an_example_with_a_wrong_option_would_fail() -> None:
    with pytest.raises(Exception, match=r"(?i)no such option"):
        parse("streamgauge fit a.csv --lable good")
    with pytest.raises(Exception, match=r"(?i)missing"):
        parse("streamgauge fit a.csv")


@pytest.mark.parametrize("found", COMMANDS, ids=names)
def test_help_has_no_internal_words(found: Listed) -> None:
    texts = [*found.paragraphs, *(parameter.help or "" for parameter in found.command.params)]
    assert not [text for text in texts if INTERNAL.search(text)]


@pytest.mark.parametrize("found", COMMANDS, ids=names)
def test_every_option_is_explained(found: Listed) -> None:
    assert not [parameter.name for parameter in found.command.params if not parameter.help]


@pytest.mark.parametrize("found", COMMANDS, ids=names)
def test_every_command_has_json_for_scripts(found: Listed) -> None:
    assert ("--json" in found.option_names) == (found.name not in NO_JSON)


@pytest.mark.parametrize("found", COMMANDS, ids=names)
def test_the_example_stands_on_one_line_of_80_columns(found: Listed) -> None:
    assert len(f" {EXAMPLE}{found.examples[0]}") <= 79


def test_help_is_plain_text_in_a_pipe() -> None:
    environment = {**command_environment(), "COLUMNS": "80"}
    del environment["NO_COLOR"]
    said = subprocess.run(
        [sys.executable, "-m", "streamgauge", "groups", "retire", "--help"],
        env={**environment, "TERM": "xterm-256color"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Example: streamgauge groups retire audit" in said.stdout
    assert said.stdout.replace("\n", "").isprintable()
    assert max(map(len, said.stdout.splitlines())) <= 80


def test_without_a_command_it_says_what_there_is(run: Run) -> None:
    answer = run()
    assert answer.returncode == 2
    assert "predictions" in answer.stdout
    assert answer.stderr == ""
