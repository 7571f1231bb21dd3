"""What one pass over all blocks keeps for a model that is trained: some rows, and figures of all the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data_fingerprint import RowDigest
from core.model import Floats
from core.schema import Schema
from trainer.block_parts import BlockParts, BlockSource, Part, PartedBlock, sample_rows
from trainer.kept_rows import KeptRows
from trainer.solvers.moments import Moments


@dataclass(frozen=True, eq=False)
class BlockReading:
    """The rows of each purpose, and what is known of all those that trained a model."""

    sample: KeptRows  #: of the training rows
    calibrating: KeptRows
    judging: KeptRows
    products: Floats  #: (d, d) of the standardised columns of all training rows
    digest: RowDigest  #: of all training rows, but for their outcomes


def read_blocks(source: BlockSource, parts: BlockParts, schema: Schema, moments: Moments) -> BlockReading:
    """One pass over ``source``, for a model of ``schema`` trained on the rows of ``moments``.

    Memory is that of the rows kept.
    """
    width = len(source.features)
    share = sample_rows(width) / moments.rows
    kept: dict[Part, list[KeptRows]] = {part: [] for part in Part}
    digest = RowDigest(schema, moments.rows)
    products = np.zeros((width, width))
    # of each feature that varies at all the sample has a row that shows it, however rare
    unseen = moments.standard_deviation > 0
    for block in parts.shared_out(source):
        trains = block.part == Part.TRAIN
        x = block.x[trains]
        digest.add(x)
        z = moments.standardise(x)
        products += z.T @ z
        chosen = trains & (block.draw < share)
        chosen[np.flatnonzero(trains)[_first_that_differ(x, moments.first, unseen)]] = True
        unseen &= ~(block.x[chosen] != moments.first).any(axis=0)
        for part, rows in (
            (Part.TRAIN, chosen),
            (Part.CALIBRATE, block.part == Part.CALIBRATE),
            (Part.JUDGE, block.part == Part.JUDGE),
        ):
            kept[part].append(_kept(block, rows))
    return BlockReading(
        sample=_joined(kept[Part.TRAIN]),
        calibrating=_joined(kept[Part.CALIBRATE]),
        judging=_joined(kept[Part.JUDGE]),
        products=products,
        digest=digest,
    )


def _first_that_differ(x: Floats, first: Floats, unseen: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Numbers of rows ``x`` (k, d) that are the first to differ from row ``first`` in an ``unseen`` feature."""
    differs = x[:, unseen] != first[unseen]
    found: NDArray[np.intp] = (
        np.unique(differs.argmax(axis=0)[differs.any(axis=0)]) if len(x) else np.empty(0, int)
    )
    return found


def _kept(block: PartedBlock, rows: NDArray[np.bool_]) -> KeptRows:
    return KeptRows(block.x[rows], block.y[rows], block.numbers[rows], block.before[rows])


def _joined(pieces: list[KeptRows]) -> KeptRows:
    return KeptRows(
        np.concatenate([piece.x for piece in pieces]),
        np.concatenate([piece.y for piece in pieces]),
        np.concatenate([piece.numbers for piece in pieces]),
        np.concatenate([piece.before for piece in pieces]),
    )
