"""Links lead somewhere, every page is reached by one, and files and tests that a page names exist."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.pages import CHECKOUT, DOCS, all_pages, anchors, codes, headings, name_of, prose

PAGES = all_pages()
#: Whose pages ours link to. A new one is added here after a look at it.
HOSTS = {
    "archive.ics.uci.edu",
    "keepachangelog.com",
}
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_ADDRESS = re.compile(r"<(https?://[^>\s]+)>|(?<![(<\w])(https?://[^\s)>\]]+)")
#: A path of this repository, as ``core/keys.py``, ``tests/core/`` or ``core/scripts/*.lua``.
_PATH = re.compile(
    r"(?:bench|compose|core|docs|k8s|monitor|observability|producer|scorer|streamgauge|tests|trainer)/[\w./*{},-]*"
)
_TEST = re.compile(r"([\w/]+/test_\w+\.py)::(test_\w+)")
#: What running a program makes; a page may name it, and a fresh checkout has none of it.
_MADE = ("bench/out", "bench/peers/.venv", "streamgauge/workspace")


def links(page: Path) -> list[str]:
    """Where a page's links and pictures lead."""
    text = prose(page)
    return [*_LINK.findall(text), *_REFERENCE.findall(text)]


def is_address(link: str) -> bool:
    return "://" in link or link.startswith("mailto:")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_or_heading_that_exists(page: Path) -> None:
    for link in links(page):
        if is_address(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(CHECKOUT), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_addresses_are_sound_and_of_hosts_that_are_known(page: Path) -> None:
    shown = [first or second.rstrip(".,;:`") for first, second in _ADDRESS.findall(prose(page))]
    for address in [*filter(is_address, links(page)), *shown]:
        parts = urlsplit(address)
        local = parts.hostname in {"localhost", "127.0.0.1"}
        assert parts.scheme == "https" or local, address
        assert local or parts.hostname in HOSTS, address
        assert "//" not in parts.path, address


def test_no_host_is_known_for_nothing() -> None:
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {host for host in HOSTS if f"//{host}/" not in told} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_begins_with_its_one_title(page: Path) -> None:
    text = re.sub(r"\A(?:<!--.*?-->\s*)+", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", _without_code(text), re.MULTILINE)) == 1
    assert headings(page)


def test_every_page_is_reached_from_readme() -> None:
    seen: set[Path] = set()
    waiting = [CHECKOUT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        targets = [link.partition("#")[0] for link in links(page) if not is_address(link)]
        waiting += [(page.parent / target).resolve() for target in targets if target.endswith(".md")]
    assert {name_of(page) for page in PAGES} - {name_of(page) for page in seen} == set()


@pytest.mark.parametrize(
    "index", [page for page in PAGES if page.name == "README.md" and DOCS in page.parents], ids=name_of
)
def test_an_index_names_every_page_below_it(index: Path) -> None:
    """Those of a folder with an index of its own stand there."""
    told = {(index.parent / link.partition("#")[0]).resolve() for link in links(index) if not is_address(link)}
    own = {page.parent for page in PAGES if page.name == "README.md"} - {index.parent}
    below = {page for page in PAGES if index.parent in page.parents and page.parent not in own} - {index}
    assert {name_of(page) for page in below - told} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_that_is_named_exists(page: Path) -> None:
    for code in codes(page):
        path = code.rstrip("/")
        if not _PATH.fullmatch(code) or path.startswith(_MADE):
            continue
        for variant in _variants(path):
            assert list(CHECKOUT.glob(variant)), code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = [_TEST.fullmatch(code) for code in codes(page) if "::test_" in code]
    assert None not in named  # none is written in another way
    for found in filter(None, named):
        file = CHECKOUT / found[1] if found[1].startswith("tests/") else CHECKOUT / "tests" / found[1]
        assert f"def {found[2]}(" in file.read_text(encoding="utf-8"), found[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = re.findall(r"(?:`|^\$ )make ([a-z0-9-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) - targets == set()


def test_a_broken_link_a_strange_host_and_a_lost_path_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A `code` [title](x.md)\n\n[a](missing.md#there) ![b](<picture.png> "words") `[c](code.md)` '
        "<https://example.org/x> https://example.net/y.\n\n"
        "```text\n[d](block.md)\n```\n[e]: later.md\n\n# A code title\n"
    )
    assert links(page) == ["x.md", "missing.md#there", "picture.png", "later.md"]
    assert anchors(page) == ["a-code-title", "a-code-title-1"]
    assert codes(page) == ["code", "[c](code.md)"]
    assert [first or second for first, second in _ADDRESS.findall(prose(page))] == [
        "https://example.org/x",
        "https://example.net/y.",
    ]
    assert _variants("core/scripts/{commit,trim}.lua") == ["core/scripts/commit.lua", "core/scripts/trim.lua"]


def _variants(path: str) -> list[str]:
    """What ``{a,b}`` in a path stands for."""
    found = re.search(r"\{([^{}]*)\}", path)
    if found is None:
        return [path]
    return [text for part in found[1].split(",") for text in _variants(path.replace(found[0], part, 1))]


def _without_code(text: str) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
