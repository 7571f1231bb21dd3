"""Whatever comes from a stream is text, also what would be markup, a script, or a trick of direction."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from tests.page.browser import DESKTOP, PHONE, Watch, expect
from tests.page.conftest import MakeStage
from tests.page.stage import Stage

#: Each would leave an element of this name, a request or a dialog where it is taken for more than text.
_FEATURES = (
    "<x-hostile>markup</x-hostile>",
    "<img src=//hostile.example/x.png onerror=alert(1)>",
    "</td></table><script>alert(2)</script>",
    '"><svg onload=alert(3)><x-hostile a="',
    "' onfocus='alert(4)' autofocus='",
    "javascript:alert(5)",
    "url(//hostile.example/y.png)",
    "${alert(6)} {{7*7}} &lt;b&gt; &amp; %3Cb%3E",
    "right\u202eto left\u202c",
    "zero\u200bwidth\u0000nothing\ttab",
    "\u0639\u0631\u0628\u064a \u05e2\u05d1\u05e8\u05d9\u05ea",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034fa\u0334\u0319\u0324l\u0329\u0317g\u0330",
    "__proto__"[2:],
    "constructor",
    "toString",
    "word " * 60,
    "unbroken" * 60,
    "\U0001f347" * 40,
)
_CLASSES = ("<x-hostile>no</x-hostile>", "<script>alert(7)</script>yes")
_ID = "<x-hostile>{}</x-hostile><img src=//hostile.example/z.png onerror=alert(8)>\u202e"

_MADE_OF_THEM = """
() => [...document.querySelectorAll("x-hostile, script:not([src]), [onerror], [onload], [onfocus], [autofocus]")]
  .concat([...document.images].filter((image) => !image.src.endsWith("/favicon.svg")))
  .concat([...document.querySelectorAll("a")].filter((link) => !/^http:$/.test(link.protocol)))
  .map((element) => element.outerHTML.slice(0, 200))
"""


def _hostile(make_stage: MakeStage) -> Stage:
    """A pipeline in which everything that a stranger may choose was chosen by one."""
    stage = make_stage()
    generator = np.random.default_rng(3)
    x = generator.normal(size=(600, len(_FEATURES)))
    y = x[:, 0] + generator.normal(0, 0.5, 600) > 0
    path: Path = stage.folder / "hostile.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_FEATURES, "label"])
        writer.writerows([*row, _CLASSES[int(label)]] for row, label in zip(x.tolist(), y.tolist(), strict=True))
    stage.fit_file(path, "label", _CLASSES[1])
    for module in ("scorer", "monitor"):
        stage.start(module)
    for shift in (0.0, 0.0, 2.0, 2.0):
        rows = generator.normal(shift, 1.0, (100, len(_FEATURES)))
        stage.send(rows, [_ID.format(number) for number in range(100)], block=False)
    plain = stage.producer(block=False)
    plain.send({**dict.fromkeys(_FEATURES, 1.0), _FEATURES[0]: _ID.format("value")}, id=_ID.format("refused"))
    plain.send({"<x-hostile>": "<script>alert(9)</script>"}, id="\u202erefused")
    plain.flush()
    return stage


def _open_all(page: Any) -> None:
    """Open everything that can be opened."""
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true; }")


def test_hostile_names_ids_and_values_stay_text(make_stage: MakeStage, watch: Watch) -> None:
    stage = _hostile(make_stage)
    page = watch.open(stage.page, size=DESKTOP)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "drift")
    expect(page.locator("#rejected")).to_have_text("2")
    expect(page.locator("#newest")).to_contain_text("<x-hostile>99</x-hostile>")
    _open_all(page)
    expect(page.locator("#shift-rows")).to_contain_text("<x-hostile>markup</x-hostile>")
    expect(page.locator("#rejected-list")).to_contain_text("<x-hostile>value</x-hostile>")
    text = page.evaluate("() => document.body.innerText")
    for name in _FEATURES[:8]:
        assert name in text
    assert page.evaluate(_MADE_OF_THEM) == []
    # a character that turns the direction would reorder what stands beside it
    assert not {"\u202e", "\u202c", "\u200b"} & set(text)
    assert "\\u202e" in text


def test_hostile_names_do_not_widen_a_phone(make_stage: MakeStage, watch: Watch) -> None:
    stage = _hostile(make_stage)
    page = watch.open(stage.page, size=PHONE)
    expect(page.locator("#drift-state")).to_have_attribute("data-state", "drift")
    _open_all(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE[0]
