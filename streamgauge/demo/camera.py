"""A drift that a camera could cause: it moved closer, so lengths grow by a factor and areas by its square."""

from __future__ import annotations

import numpy as np

from core.errors import DataError
from core.model import Floats

#: Power of the factor by feature; ratios do not change.
_POWERS = {
    "Area": 2,
    "MajorAxisLength": 1,
    "MinorAxisLength": 1,
    "Eccentricity": 0,
    "ConvexArea": 2,
    "Extent": 0,
    "Perimeter": 1,
}


def magnify(x: Floats, features: tuple[str, ...], factor: float) -> Floats:
    """Rows (n, d) as the moved camera sees them.

    Raises
    ------
    DataError
        Columns that are not Raisin's.
    """
    unknown = [name for name in features if name not in _POWERS]
    if unknown or len(features) != len(_POWERS):
        column = unknown[0] if unknown else next(name for name in _POWERS if name not in features)
        raise DataError(
            f"the demo tells the story of Raisin's seven columns, and {column!r} does not fit; "
            "for your own data use streamgauge fit, up and produce"
        )
    powers: Floats = np.array([factor ** _POWERS[name] for name in features])
    return x * powers
