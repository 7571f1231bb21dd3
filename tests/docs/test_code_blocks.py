"""Every fenced block of README and docs is run, parsed or marked, and every command of ours in it exists."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.accounts import PARSED_BY, RUN_BY, account_of, runner_of
from tests.docs.code_blocks import CHECKOUT, SHELLS, Block, blocks_of, goes_on, pages
from tests.docs.shown_output import complaint
from tests.docs.streamgauge_command import our_commands, what_is_wrong

PAGES = [pytest.param(page, id=page.relative_to(CHECKOUT).as_posix()) for page in pages()]
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(streamgauge [a-z][^`]*)`")
_ARROW = re.compile(r"^  \S.* (?:-- .+ )?--> \S+")


def all_blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages."""
    return [block for page in pages() for block in blocks_of(page) if block.language in languages]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_parsed_or_marked(page: Path) -> None:
    before: Block | None = None
    for block in blocks_of(page):
        assert block.language, f"{block.place}: the fence has no language; text is that of plain output"
        assert account_of(block, before), f"{block.place}: nobody runs or parses this; see tests/docs/accounts.py"
        before = block


def test_whoever_runs_or_parses_a_page_is_there() -> None:
    named = {block.page for block in all_blocks(*SHELLS, "python")}
    for page in named:
        runner = runner_of(page)
        if runner is not None:
            assert (CHECKOUT / "tests" / "docs" / runner).is_file(), f"{page}: {runner} is not there"
    for path in PARSED_BY.values():
        assert (CHECKOUT / path).is_file(), path
    for page in RUN_BY:
        assert (CHECKOUT / page).exists(), f"{page} is named in tests/docs/accounts.py and is not there"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_ours_is_one(page: Path) -> None:
    for block in blocks_of(page):
        if block.language in SHELLS:
            for command in block.commands():
                for words in our_commands(command.text):
                    wrong = what_is_wrong(words)
                    assert not wrong, f"{block.page}:{command.line}: streamgauge {' '.join(words)}: {wrong}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_ours_in_a_sentence_has_its_name_and_options(page: Path) -> None:
    text = " ".join(_FENCED.sub("", page.read_text(encoding="utf-8")).split())
    for said in _INLINE.findall(text):
        wrong = what_is_wrong(said.split()[1:], whole=False)
        assert not wrong, f"{said}: {wrong}"


def test_every_target_of_make_is_in_the_makefile() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    named = {
        (block.place, command.words[1])
        for block in all_blocks(*SHELLS)
        for command in block.commands()
        if command.program == "make"
    }
    assert named
    for place, target in named:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"{place}: make {target}"


@pytest.mark.parametrize("block", all_blocks("json"), ids=lambda block: block.place)
def test_json_is_json(block: Block) -> None:
    assert isinstance(json.loads(block.text), dict | list)


def test_toml_is_toml() -> None:
    for block in all_blocks("toml"):
        assert tomllib.loads(block.text), block.place


@pytest.mark.parametrize("block", all_blocks("mermaid"), ids=lambda block: block.place)
def test_a_drawing_is_a_flowchart_of_arrows(block: Block) -> None:
    first, *arrows = block.text.splitlines()
    assert first == "flowchart LR"
    assert [arrow for arrow in arrows if not _ARROW.match(arrow)] == []


@pytest.mark.parametrize(
    "command",
    ["statuses", "groups dismiss audit", "status --loud", "fit", "runs --count many", "redrive now"],
)
def test_a_command_that_is_none_is_found(command: str) -> None:
    assert what_is_wrong(command.split())


@pytest.mark.parametrize("command", ["groups", "partitions --masters 3 --partitions 6", "groups retire audit"])
def test_a_command_that_is_one_is_not(command: str) -> None:
    assert what_is_wrong(command.split()) == ""


def test_our_commands_are_found_behind_other_programs() -> None:
    text = (
        'docker compose run --rm seed \\\n  streamgauge fit /rows.csv --label Class\nURL="a" streamgauge up > log'
    )
    assert our_commands(text) == [["fit", "/rows.csv", "--label", "Class"], ["up"]]
    assert our_commands("kubectl -n streamgauge get pods; pip install ./streamgauge -q") == []


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("curl -d '{", True),
        ("curl -d '{\n}'", False),
        ("docker run \\", True),
        ("cat > file <<END\na", True),
        ("cat > file <<END\na\nEND", False),
        ("streamgauge up  # until Ctrl-C, it's all", False),
    ],
)
def test_a_command_ends_where_the_shell_takes_it(text: str, more: bool) -> None:
    assert goes_on(text) is more


def page_of(folder: Path, text: str) -> list[Block]:
    """The blocks of a page with this text."""
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return blocks_of(page)


def test_a_block_knows_its_place_its_commands_and_what_they_show(tmp_path: Path) -> None:
    (block,) = page_of(tmp_path, "# One\n\n## Two\n\n   ```console\n   $ a \\\n     b\n   1\n   $ c\n   ```\n")
    assert (block.heading, block.language, block.line) == ("Two", "console", 5)
    assert [(command.text, command.line, command.shown) for command in block.commands()] == [
        ("a \\\n  b", 6, "1"),
        ("c", 9, ""),
    ]


def test_a_mark_exempts_a_block_or_some_programs_or_the_output(tmp_path: Path) -> None:
    fence = "```sh\ndocker ps\nls\n```\n"
    one, some, shown, plain = page_of(
        tmp_path,
        f"<!-- not run: a -->\n{fence}<!-- docker not run: b -->\n{fence}"
        f"<!-- output not compared: c -->\n{fence}{fence}",
    )
    ran = [[command.text for command in block.commands_to_run()] for block in (one, some, shown, plain)]
    assert ran == [[], ["ls"], ["docker ps", "ls"], ["docker ps", "ls"]]
    assert shown.output_not_compared
    assert [block.reason for block in (one, some, shown, plain)] == ["a", "b", "c", ""]


@pytest.mark.parametrize(
    "mark", ["<!-- not run -->", "<!-- not run: -->", "<!-- make not run: a -->", "<!-- a -->"]
)
def test_a_mark_with_a_slip_is_found(tmp_path: Path, mark: str) -> None:
    with pytest.raises(AssertionError, match=r"no mark|no command"):
        page_of(tmp_path, f"{mark}\n```sh\nls\n```\n")


@pytest.mark.parametrize(
    ("shown", "said", "figures", "agree"),
    [
        ("900 rows in 0.1 s", "1,200 rows in 13.0 s", False, True),
        ("900 rows in 0.1 s", "900 records in 0.1 s", False, False),
        ("run 0123456789ab", "run fedcba987654", False, True),
        ("a ████ 0.9", "a ██ 0.5", False, True),
        ("first\n...\nlast 1", "first\nsecond\nthird\nlast 2", False, True),
        ("first\n...\nlast 1", "second\nthird\nlast 2", False, False),
        ("first", "first\nsecond", False, False),
        ("mean 0.872 of 900", "mean 0.873 of 900", True, True),
        ("mean 0.872 of 900", "mean 0.875 of 900", True, False),
        ("mean 0.872 of 900", "mean 0.872 of 902", True, False),
    ],
)
def test_shown_output_agrees_in_words_and_with_figures_in_numbers(
    shown: str, said: str, figures: bool, agree: bool
) -> None:
    assert (complaint(shown, said, figures=figures) == "") is agree
