"""Ten-fold figures on Raisin, ours and scikit-learn's in the same folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.model import Floats
from trainer.calibration.folds import stratified_folds
from trainer.cross_validation import Training, cross_validate
from trainer.metrics.probability import log_loss
from trainer.metrics.reliability import calibration_error_floor, expected_calibration_error
from trainer.penalty import PENALTIES, PENALTY_FOLDS
from trainer.split import Split, stratified_splits
from trainer.table import Labels, Table

#: Folds of the published figures, and of the target.
FOLDS = 10
#: Of each row alone; the optimum is then the same to all digits that are shown.
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class TenFold:
    """Figures of all rows, each judged by a model that did not see it."""

    accuracy: float
    log_loss: float
    calibration_error: float  #: ten bins
    floor: float  #: what a perfect model with these probabilities has of it by chance

    @classmethod
    def of(cls, y: Labels, probability: Floats) -> TenFold:
        """From outcomes and probabilities (n,); class 1 is predicted from even odds on."""
        return cls(
            accuracy=float(((probability >= 0.5) == (y == 1)).mean()),
            log_loss=log_loss(y, probability),
            calibration_error=expected_calibration_error(y, probability),
            floor=calibration_error_floor(probability),
        )


def ours(table: Table, seed: int) -> TenFold:
    """Penalty by log-loss and calibration, both found in folds of each fold's training rows."""
    found = cross_validate(table, stratified_splits(table.y, seed, FOLDS), seed, Training(inverse_l2=None))
    return TenFold.of(found.y, found.probability)


def one_strength(table: Table, seed: int) -> TenFold:
    """The same with the default strength, C = 1."""
    found = cross_validate(table, stratified_splits(table.y, seed, FOLDS), seed)
    return TenFold.of(found.y, found.probability)


def scikit_learn(table: Table, seed: int) -> TenFold:
    """``LogisticRegressionCV`` behind a ``StandardScaler``: the same strengths, the same outer and inner folds."""
    probability = np.empty(len(table.y))
    for split in stratified_splits(table.y, seed, FOLDS):
        probability[split.holdout] = _fold(table, split, seed)
    return TenFold.of(table.y, probability)


def _fold(table: Table, split: Split, seed: int) -> Floats:
    y = table.y[split.train]
    inner = stratified_folds(y, seed, PENALTY_FOLDS)
    pairs = [(np.flatnonzero(inner != fold), np.flatnonzero(inner == fold)) for fold in range(PENALTY_FOLDS)]
    regression = LogisticRegressionCV(
        Cs=list(PENALTIES),
        cv=pairs,
        scoring="neg_log_loss",
        solver="newton-cholesky",
        tol=_TOLERANCE,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )
    pipeline = make_pipeline(StandardScaler(), regression).fit(table.x[split.train], y)
    found: Floats = pipeline.predict_proba(table.x[split.holdout])[:, 1]
    return found
