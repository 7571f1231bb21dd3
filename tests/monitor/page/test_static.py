"""The files of the page: within the budget, whole, of their type, and from nowhere else."""

from __future__ import annotations

import re

from core.http import Request
from monitor.page.routes import CONTENT_SECURITY_POLICY, INDEX, STATIC, TYPES, page_routes

#: Bytes of all files together.
BUDGET_BYTES = 60 * 1024
#: The names of XML vocabularies look like addresses, and nothing is fetched from them.
VOCABULARIES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
FILES = sorted(STATIC.iterdir())
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}


def test_all_files_are_within_the_budget() -> None:
    assert sum(path.stat().st_size for path in FILES) <= BUDGET_BYTES


def test_every_file_is_served_with_its_type() -> None:
    opened: list[int] = []
    routes = page_routes(lambda: b"{}", lambda: opened.append(1))
    for path in FILES:
        response = routes["GET", "/" if path.name == INDEX else f"/{path.name}"](Request())
        assert (response.status, response.body) == (200, path.read_bytes())
        assert response.content_type == TYPES[path.suffix]
        assert ("Content-Security-Policy", CONTENT_SECURITY_POLICY) in response.headers
    assert len(routes) == len(FILES) + 1
    assert opened == [1]


def test_every_file_that_is_named_is_there() -> None:
    named = {
        reference
        for text in TEXTS.values()
        for reference in re.findall(r"""(?:src=|href=|from |import |import\()["']\.?/?([^"'#?:]+)["']""", text)
    }
    assert named
    assert named - set(TEXTS) - {""} == set()


def test_every_file_is_used() -> None:
    together = {name: "".join(text for other, text in TEXTS.items() if other != name) for name in TEXTS}
    assert [name for name in TEXTS if name != INDEX and name not in together[name]] == []


def test_no_file_names_another_host() -> None:
    for name, text in TEXTS.items():
        for vocabulary in VOCABULARIES:
            text = text.replace(vocabulary, "")  # noqa: PLW2901  (what is left of it)
        assert re.findall(r"(?:https?:|wss?:|[\"'(=]\s*)//[\w.-]+", text) == [], name


def test_nothing_is_inline_that_the_policy_forbids_and_nothing_makes_markup_of_text() -> None:
    page = TEXTS[INDEX]
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page) == []
    scripts = "".join(text for name, text in TEXTS.items() if name.endswith(".js"))
    forbidden = (
        r"\binnerHTML\b|\bouterHTML\b|\binsertAdjacentHTML\b|\bdocument\.write\b|\beval\(|new Function|srcdoc"
    )
    assert re.findall(forbidden, scripts) == []
