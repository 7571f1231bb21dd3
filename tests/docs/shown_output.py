"""Whether what a command printed is what its page shows: the same words in the same order, other numbers."""

from __future__ import annotations

import re

#: Parts of a page's output that may be others here.
_PARTS = re.compile(
    r"(?P<entry>\b\d{13}-\d+\b)"
    r"|(?P<run>\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b)"
    r"|(?P<stamp>\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)"
    r"|(?P<version>\b\d+(?:\.\d+){2,}(?::\d+)?\b)"  # or an address
    r"|(?P<number>(?<![\w.])[+±-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?(?!\w))"
    r"|(?P<line>[━─═┅┄]+)"
    r"|(?P<bar>[█▇▆▅▄▃▂▁▏▎▍▌▋▊▉]+)"
    r"|(?P<gap>\.\.\.|…)"
    r"|(?P<space>[ \t]+)"
)
_NUMBER = r"([+±-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?)"
_PATTERNS = {
    "entry": r"\d{13}-\d+",
    "run": r"[0-9a-f]{12}",
    "stamp": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?",
    "version": r"\d+(?:\.\d+){2,}(?::\d+)?",
    "number": _NUMBER,
    "line": "[━─═┅┄]+",
    "bar": "[█▇▆▅▄▃▂▁▏▎▍▌▋▊▉]*",  # a small share has none
    "gap": r"[^\n]*?",
    "space": r"[ \t]+",
}


def complaint(shown: str, said: str, *, figures: bool = False) -> str:
    """What is wrong with the output that a page shows, or nothing.

    ``...`` within a line stands for any words, as a line of its own for any lines. With ``figures`` the
    numbers must be those shown, too, but for one unit of their last digit.
    """
    lines = [line.rstrip() for line in shown.strip("\n").splitlines()]
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line.strip() in {"...", "…"} else rf"[ \t]*{_pattern_of(line.strip())}[ \t]*\n"
        for line in lines
    )
    spoken = "\n".join(line.rstrip() for line in said.strip("\n").splitlines()) + "\n"
    found = re.fullmatch(pattern, spoken)
    if found is None:
        return f"the page shows\n{shown}\nand the command said\n{said}"
    if not figures:
        return ""
    numbers = [part["number"] for line in lines for part in _PARTS.finditer(line.strip()) if part["number"]]
    wrong = [
        f"{number}, which is {real}"
        for number, real in zip(numbers, found.groups(), strict=True)
        if not _alike(number, real)
    ]
    return f"the page shows {'; '.join(wrong)}" if wrong else ""


def _pattern_of(line: str) -> str:
    pattern, end = "", 0
    for part in _PARTS.finditer(line):
        pattern += re.escape(line[end : part.start()]) + _PATTERNS[str(part.lastgroup)]
        end = part.end()
    return pattern + re.escape(line[end:])


def _alike(shown: str, real: str) -> bool:
    """Equal but for one unit of the last digit shown, as another BLAS may round otherwise."""
    digits = shown.lower().partition("e")[0].rpartition(".")[2] if "." in shown else ""
    exponent = int(shown.lower().partition("e")[2] or 0)
    return abs(_value(shown) - _value(real)) <= 1.01 * 10.0 ** (exponent - len(digits))


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("±", ""))
