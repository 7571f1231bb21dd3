"""Parts of hand-written pages that are made from the code."""

from __future__ import annotations

import re

_PLACE = re.compile(r"(<!-- made from the code: (.+?) -->\n).*?(<!-- end of what is made -->)", re.DOTALL)


def with_parts(page: str, parts: dict[str, str]) -> str:
    """The page with each part in its place, which is between two lines like these::

        <!-- made from the code: NAME -->
        <!-- end of what is made -->

    Raises
    ------
    ValueError
        The page's places are not those of the parts.
    """
    places = [found[2] for found in _PLACE.finditer(page)]
    if sorted(places) != sorted(parts):
        raise ValueError(f"the page has places for {places}, not for {sorted(parts)}; correct its comments")
    return _PLACE.sub(lambda found: f"{found[1]}\n{parts[found[2]].strip()}\n\n{found[3]}", page)
