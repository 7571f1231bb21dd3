"""A fitted model as a run: parameters, a line a step, figures, artifacts."""

from __future__ import annotations

from collections.abc import Mapping

from core.miniflow import MODEL_ARTIFACT, MiniFlow, Parameter
from trainer.fit import FittedModel
from trainer.holdout import HOLDOUT_ARTIFACT
from trainer.loss import reported_probability
from trainer.metrics.probability import log_loss
from trainer.model_card import MODEL_CARD_ARTIFACT
from trainer.out_of_sample import OUT_OF_SAMPLE_ARTIFACT
from trainer.profile_document import PROFILE_ARTIFACT, profile_document
from trainer.training_rows import TRAINING_ROWS_ARTIFACT, encode_prints
from trainer.validation_predictions import PREDICTIONS_ARTIFACT, encode_predictions

#: Outcome of a run that is logged and waits for the promotion rule.
LOGGED = "logged"


def log_run(
    miniflow: MiniFlow,
    fitted: FittedModel,
    reason: str,
    extra_params: Mapping[str, Parameter] | None = None,
) -> str:
    """Log a fitted model as a run and return its id.

    Steps: open the run; parameters; a metrics line an epoch and one of final figures; data fingerprint; holdout,
    predictions of it, fingerprints of the training rows, profile, card; the model last, so that a run with a model
    has all that belongs to it. The outcome is ``logged`` until the caller records the promotion rule's with
    ``miniflow.run(run_id).finish(...)``.

    Raises
    ------
    UsageError
        The MiniFlow directory cannot be written.
    """
    run = miniflow.start_run(reason)
    run.log_params(_params(fitted) | dict(extra_params or {}))
    history = fitted.solution.history
    run.log_metric_lines([(epoch.step, epoch.metrics) for epoch in history])
    run.log_metrics(history[-1].step, _final_metrics(fitted))
    run.record_data(fitted.data)
    run.write_artifact(HOLDOUT_ARTIFACT, fitted.holdout.encoded)
    predictions = encode_predictions(fitted.file.model, fitted.holdout, fitted.holdout_rows)
    run.write_artifact(PREDICTIONS_ARTIFACT, predictions)
    run.write_artifact(TRAINING_ROWS_ARTIFACT, encode_prints(fitted.trained_prints))
    if fitted.out_of_sample is not None:
        run.write_artifact(OUT_OF_SAMPLE_ARTIFACT, fitted.out_of_sample.encoded)
    run.write_artifact(PROFILE_ARTIFACT, profile_document(fitted.file.profile))
    run.write_artifact(MODEL_CARD_ARTIFACT, fitted.card.encoded)
    run.write_artifact(MODEL_ARTIFACT, fitted.file.encoded)
    run.finish(LOGGED, "The model is trained and logged; it is not judged yet.")
    return run.run_id


def _params(fitted: FittedModel) -> dict[str, Parameter]:
    schema = fitted.file.model.schema
    return {
        "seed": fitted.seed,
        "solver": fitted.solver.name,
        **{f"solver_{name}": setting for name, setting in fitted.solver.params.items()},
        "train_rows": fitted.train.rows,
        "holdout_rows": fitted.validation.rows,
        "schema": schema.fingerprint,
        "class_0": schema.classes[0],
        "class_1": schema.classes[1],
        "calibrate": fitted.file.calibrate,
        "calibration": fitted.decision.calibration.chosen,
        "threshold": fitted.file.model.threshold,
        "threshold_by": fitted.file.threshold_rule.by,
    }


def _final_metrics(fitted: FittedModel) -> dict[str, float | None]:
    # loss and accuracy again: where a solver stopped early, its last line is of other rows and other parameters
    return (
        {
            f"{part}_{name}": figure
            for part, evaluation in (("train", fitted.train), ("validation", fitted.validation))
            for name, figure in (
                ("loss", evaluation.log_loss),
                ("accuracy", evaluation.accuracy),
                ("auc", evaluation.auc),
                ("brier", evaluation.brier),
            )
        }
        | {"gradient_norm": fitted.solution.gradient_norm}
        | _raw_loss(fitted)
    )


def _raw_loss(fitted: FittedModel) -> dict[str, float | None]:
    """The lines of a solver's steps are before calibration, and this is where they end."""
    model, holdout = fitted.file.model, fitted.holdout
    if model.calibration is None:
        return {}
    p = reported_probability(model.score(holdout.x).logit)
    return {"validation_raw_loss": log_loss(holdout.y, p)}
