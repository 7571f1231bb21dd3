"""What a model says of all the rows in blocks that trained it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.data_fingerprint import RowDigest
from core.model import LogisticModel
from trainer.block_parts import TrainingBlocks
from trainer.calibration.folds import calibrated
from trainer.evaluation import Evaluation, evaluate
from trainer.kept_rows import KeptRows
from trainer.loss import reported_probability, row_losses
from trainer.metrics.probability import log_loss
from trainer.summed_evaluation import SummedEvaluation


@dataclass(frozen=True)
class TrainingFigures:
    """Of all training rows."""

    evaluation: Evaluation  #: as the model is deployed
    raw_loss: float  #: before calibration
    raw_accuracy: float  #: the same, at even odds


def training_figures(
    blocks: TrainingBlocks, rows: int, sample: KeptRows, model: LogisticModel, digest: RowDigest
) -> TrainingFigures:
    """Of ``rows`` training rows, whose outcomes the ``digest`` is given; of ``sample`` where that is all of them.

    Else it takes a pass, and the memory of :class:`trainer.summed_evaluation.SummedEvaluation`.
    """
    if len(sample.y) == rows:
        digest.add_outcomes(sample.y)
        logit = model.score(sample.x).logit
        raw = reported_probability(logit)
        return TrainingFigures(
            evaluate(sample.y, calibrated(model.calibration, logit), model.threshold),
            log_loss(sample.y, raw),
            float(np.mean((raw >= 0.5) == (sample.y == 1))),
        )
    deployed = SummedEvaluation(model.threshold)
    loss, right = 0.0, 0
    for x, y, _ in blocks:
        digest.add_outcomes(y)
        logit = model.score(x).logit
        raw = reported_probability(logit)
        loss += float(row_losses(y, raw).sum())
        right += int(((raw >= 0.5) == (y == 1)).sum())
        deployed.add(y, calibrated(model.calibration, logit))
    return TrainingFigures(deployed.evaluation, loss / rows, right / rows)
