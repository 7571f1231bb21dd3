"""Worlds that are known because they are made of the training rows: what a reference drawn there is worth.

In such a world pseudo-references are drawn as the training rows were drawn from the real one, and streams follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from core.drift.autocorrelation import lag_one
from core.drift.maxima import BLOCK_RECORDS, RUN_IN_RECORDS, BlockMaxima, resampled, stream_maxima
from core.drift.reference_rows import ReferenceRows
from core.drift.sieve import SieveStreams
from core.drift.transform import Transform
from core.model import Floats

#: Values held at once while dependent streams are made: 64 MB.
_VALUES_AT_ONCE = 8_000_000
#: Dependent streams made together: a filter's steps cost the same for many as for one.
_SIDE_BY_SIDE = 30


class World(Protocol):
    """Draws references and streams."""

    def known(self, transform: Transform, blocks: int) -> Floats:
        """(blocks, channels) maxima of one stream, seen through the transform of the training rows themselves."""

    def estimated(self, references: int, rows: int, blocks: int) -> Floats:
        """(references, blocks, channels) maxima, each seen through a transform fitted to ``rows`` drawn rows."""


def world_of(reference: ReferenceRows, transform: Transform, generator: np.random.Generator) -> World:
    """The world that fits the training rows."""
    if reference.dependent:
        return DependentWorld(reference, transform, generator)
    return IndependentWorld(reference, generator)


class IndependentWorld:
    """Records are drawn with replacement from the training rows."""

    def __init__(self, reference: ReferenceRows, generator: np.random.Generator) -> None:
        self._reference = reference
        self._generator = generator

    def known(self, transform: Transform, blocks: int) -> Floats:
        """See :class:`World`."""
        columns = transform.columns(self._reference.x, self._reference.probability)
        return stream_maxima(resampled(columns, blocks, self._generator), len(self._reference.index))

    def estimated(self, references: int, rows: int, blocks: int) -> Floats:
        """See :class:`World`."""
        reference, count = self._reference, len(self._reference.x)
        maxima = []
        for _ in range(references):
            transform, _ = reference.drawn(self._generator.integers(0, count, rows)).fit(hold_out=False)
            columns = transform.columns(reference.x, reference.probability)
            columns = replace(columns, radius=_unbiased(columns.radius, rows, self._generator))
            maxima.append(stream_maxima(resampled(columns, blocks, self._generator), len(reference.index)))
        return np.array(maxima)


class DependentWorld:
    """Records follow an AR(1) filter of each standardised value, on innovations of the training rows."""

    def __init__(self, reference: ReferenceRows, transform: Transform, generator: np.random.Generator) -> None:
        assert reference.before is not None  # noqa: S101  (dependence is known of ordered rows; for the type checker)
        known = reference.known
        z = transform.standardised(reference.x[known], reference.probability[known]).T
        before = transform.standardised_values(reference.before[known]).T
        self._autocorrelation = transform.autocorrelation
        self._innovations = z - self._autocorrelation * before
        self._known_share = float(known.mean())
        self._generator = generator
        self._width = len(reference.index)

    def known(self, transform: Transform, blocks: int) -> Floats:
        """See :class:`World`."""
        maxima = self._maxima([_in_standard_units(transform)] * _SIDE_BY_SIDE, -(-blocks // _SIDE_BY_SIDE))
        return maxima.reshape(-1, maxima.shape[2])

    def estimated(self, references: int, rows: int, blocks: int) -> Floats:
        """See :class:`World`."""
        together = max(1, _VALUES_AT_ONCE // (rows * (self._width + 1)))
        transforms: list[Transform] = []
        while len(transforms) < references:
            count = min(together, references - len(transforms))
            streams = SieveStreams(self._autocorrelation, self._innovations, count, self._generator)
            transforms += [self._fit(path) for path in streams.next(rows)]
        return self._maxima(transforms, blocks)

    def _fit(self, path: Floats) -> Transform:
        """The transform of a pseudo-reference (rows, v + 1), its autocorrelation estimated anew.

        Of as large a share of its rows as of the training rows the record before is known.
        """
        before = np.concatenate([np.full((1, path.shape[1]), np.nan), path[:-1]])
        before[self._generator.random(len(path)) >= self._known_share] = np.nan
        estimated = np.maximum(0.0, lag_one(path, before))
        rows = ReferenceRows(
            path[:, :-1],
            path[:, -1],
            np.arange(self._width),
            np.where(self._autocorrelation != 0, estimated, 0.0),
            before,
        )
        return rows.fit(hold_out=False)[0]

    def _maxima(self, transforms: list[Transform], blocks: int) -> Floats:
        """(transforms, blocks, channels), each over a stream of its own."""
        streams = SieveStreams(self._autocorrelation, self._innovations, len(transforms), self._generator)
        watched = [BlockMaxima(self._width) for _ in transforms]
        previous: list[Floats | None] = [None] * len(transforms)
        parts: list[list[Floats]] = [[] for _ in transforms]
        for records in _portions(blocks):
            for place, path in enumerate(streams.next(records)):
                columns = transforms[place].columns(path[:, :-1], path[:, -1], previous[place])
                previous[place] = columns.standardised[:, -1]
                parts[place].append(watched[place].add(columns))
        return np.array([np.concatenate(part)[RUN_IN_RECORDS // BLOCK_RECORDS :] for part in parts])


def _unbiased(radius: Floats, rows: int, generator: np.random.Generator) -> Floats:
    """Radii (1, N) around their own mean, but for the chance error that the mean of ``rows`` held-out rows has.

    The rows of a draw lie nearer to its centre than other rows do; a reference learns its radius from rows held
    out.
    """
    error = generator.standard_normal() / math.sqrt(rows)
    deviation = float(radius.std())
    if deviation == 0:  # it is the same for all rows, or not watched
        return np.zeros_like(radius)
    unbiased: Floats = (radius - radius.mean()) / deviation + error
    return unbiased


def _in_standard_units(transform: Transform) -> Transform:
    """The same transform for rows that are standardised already, the probability too."""
    width = len(transform.index)
    return replace(
        transform,
        index=np.arange(width),
        mean=np.zeros(width),
        standard_deviation=np.ones(width),
        probability_mean=0.0,
        probability_factor=1.0,
    )


def _portions(blocks: int) -> Iterator[int]:
    """Records to make at once until there are ``blocks`` blocks and the run-in."""
    left = blocks + RUN_IN_RECORDS // BLOCK_RECORDS
    while left:
        count = min(left, 4)
        left -= count
        yield count * BLOCK_RECORDS
