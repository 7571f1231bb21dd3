"""The model card: what a model is, what it was trained on and how well it does, for people to read."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from core.miniflow import Parameter
from core.model_file import ModelFile
from trainer.calibration.report import CalibrationReport
from trainer.evaluation import Evaluation
from trainer.operating_point import OperatingPoint

#: Where a run keeps its card.
MODEL_CARD_ARTIFACT = "model/model_card.json"


class ModelCard(msgspec.Struct, frozen=True):
    """``model_card.json``; it holds no time, so that equal trainings give equal cards."""

    kind: str
    features: tuple[str, ...]
    classes: tuple[str, str]
    schema: str  #: fingerprint of the feature names
    model_sha256: str
    solver: str
    solver_params: dict[str, Parameter]
    converged: bool
    gradient_norm: float
    seed: int
    train_rows: int
    train_class1_rows: int
    holdout_rows: int
    constant_features: tuple[str, ...]  #: without variance in training: not in the drift score, weight zero
    intercept: float
    coefficients: dict[str, float]  #: change of the log-odds for one training standard deviation
    train: Evaluation
    validation: Evaluation
    calibration: CalibrationReport | None = None  #: cards of earlier versions have none
    operating_point: OperatingPoint | None = None  #: the same
    warnings: tuple[str, ...] = ()  #: one sentence each, with its remedy; cards of earlier versions have none
    #: What each of them is about: a :data:`trainer.diagnostics.finding.WarningKind`; earlier cards do not say it.
    warning_kinds: tuple[str, ...] = ()

    def without(self, kinds: Collection[str]) -> ModelCard:
        """The card without the warnings of some kinds; those of unknown kind stay."""
        if len(self.warning_kinds) != len(self.warnings):
            return self
        kept = [place for place, kind in enumerate(self.warning_kinds) if kind not in kinds]
        return msgspec.structs.replace(
            self,
            warnings=tuple(self.warnings[place] for place in kept),
            warning_kinds=tuple(self.warning_kinds[place] for place in kept),
        )

    @property
    def encoded(self) -> bytes:
        """Indented JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def constant_features(file: ModelFile) -> tuple[str, ...]:
    """Features that had no variance in training."""
    return tuple(
        name for name, varies in zip(file.profile.features, file.profile.varies, strict=True) if not varies
    )
