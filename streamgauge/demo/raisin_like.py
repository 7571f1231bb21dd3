"""Rows drawn like Raisin: Gaussian per class, with the data set's means, standard deviations and correlations.

Source of the figures: Cinar, Koklu, Tasdemir, "Classification of Raisin Grains Using Machine Vision and Artificial
Intelligence Methods" (2020), UCI data set 850; 450 grains of each class.
"""

from __future__ import annotations

import numpy as np

from core.model import Floats

FEATURES = (
    "Area",
    "MajorAxisLength",
    "MinorAxisLength",
    "Eccentricity",
    "ConvexArea",
    "Extent",
    "Perimeter",
)
#: Class 0 and class 1.
CLASSES = ("Kecimen", "Besni")
#: Rows of each class.
ROWS_A_CLASS = 450
#: Means by class, in the order of FEATURES (pixels, and ratios for Eccentricity and Extent).
_MEANS = np.array(
    [
        [63413.5, 352.859, 229.353, 0.74196, 65696.4, 0.707774, 983.686],
        [112195, 509.001, 279.624, 0.821125, 116676, 0.691242, 1348.13],
    ]
)
_DEVIATIONS = np.array(
    [
        [17708.1, 59.5452, 34.0208, 0.092259, 18984.8, 0.0433939, 150.138],
        [39186.3, 105.654, 50.7072, 0.0682012, 40751.7, 0.0607589, 246.53],
    ]
)
#: Upper triangles of the correlation matrices by class, row by row.
_CORRELATIONS = (
    (
        0.897773,
        0.872713,
        0.074842,
        0.991826,
        -0.002695,
        0.955958,
        0.583408,
        0.457213,
        0.916195,
        -0.200869,
        0.953973,
        -0.383683,
        0.843689,
        0.204503,
        0.755201,
        0.095489,
        -0.371221,
        0.211915,
        -0.058916,
        0.978285,
        -0.157845,
    ),
    (
        0.888452,
        0.895563,
        0.116798,
        0.993685,
        0.146613,
        0.939498,
        0.621551,
        0.489437,
        0.909429,
        -0.111707,
        0.963025,
        -0.299362,
        0.880913,
        0.288752,
        0.768241,
        0.135419,
        -0.324046,
        0.283181,
        0.093412,
        0.965320,
        -0.068842,
    ),
)
#: No grain measures outside these, whatever the tails of a Gaussian say.
_LOWEST = np.array([20_000.0, 200.0, 130.0, 0.30, 21_000.0, 0.35, 550.0])
_HIGHEST = np.array([240_000.0, 1_000.0, 500.0, 0.97, 280_000.0, 0.86, 2_800.0])


def draw_rows(seed: int) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Rows (900, 7) and labels (900,), shuffled; deterministic by seed."""
    generator = np.random.default_rng(seed)
    parts = []
    for mean, deviation, correlation in zip(_MEANS, _DEVIATIONS, _CORRELATIONS, strict=True):
        eigenvalues, vectors = np.linalg.eigh(_symmetric(correlation))
        root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
        normal = generator.standard_normal((ROWS_A_CLASS, len(FEATURES)))
        parts.append(np.clip(mean + normal @ root.T * deviation, _LOWEST, _HIGHEST))
    order = generator.permutation(2 * ROWS_A_CLASS)
    labels = np.repeat(np.array([0, 1], dtype=np.uint8), ROWS_A_CLASS)
    return np.concatenate(parts)[order], labels[order]


def _symmetric(upper: tuple[float, ...]) -> Floats:
    """A correlation matrix from its upper triangle, row by row."""
    matrix = np.eye(len(FEATURES))
    rows, columns = np.triu_indices(len(FEATURES), k=1)
    matrix[rows, columns] = matrix[columns, rows] = upper
    return matrix
