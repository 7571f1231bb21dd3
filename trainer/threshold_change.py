"""Another operating point for the model in production: the same weights and calibration, a run of their own.

``fit`` with other options would not do: its candidate has the weights of production, so that it is no better by
log-loss and stays out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from core.errors import DataError, NoProductionModel, SettingsError, Superseded, UnknownRun
from core.miniflow import MODEL_ARTIFACT, MiniFlow, Run
from core.model_file import ModelFile
from core.registry import Production
from core.settings import Settings
from core.threshold_rule import ThresholdRule
from trainer.diagnostics.finding import WarningKind
from trainer.evaluation import Evaluation, evaluate
from trainer.fit import probability
from trainer.holdout import HOLDOUT_ARTIFACT, Holdout
from trainer.model_card import MODEL_CARD_ARTIFACT, ModelCard
from trainer.operating_point import OperatingPoint, given_operating_point
from trainer.out_of_sample import OUT_OF_SAMPLE_ARTIFACT, OutOfSample, own_out_of_sample
from trainer.profile_document import PROFILE_ARTIFACT, profile_document
from trainer.registries import open_registries
from trainer.retraining import own_holdout
from trainer.threshold_sweep import best_operating_point
from trainer.training_rows import TRAINING_ROWS_ARTIFACT, encode_prints, own_prints
from trainer.validation_predictions import PREDICTIONS_ARTIFACT, encode_predictions

#: Why the run was started.
THRESHOLD = "threshold"
#: Why it was promoted: a person asked.
MANUAL = "manual"
#: What a run was made by and is not handed on: the answer to an event is given once.
_OF_ITS_OWN = ("event_id", "threshold", "threshold_by", "of_run")
#: Metrics of weights and calibration, which stay; what was compared with production then does not.
_OF_TRAINING = ("train_", "validation_", "objective", "gradient_norm")
#: Warnings about the operating point that is given up.
_OF_THE_POINT: tuple[WarningKind, ...] = ("even_threshold", "threshold_missed")


@dataclass(frozen=True, eq=False)
class ThresholdChange:
    """What became of the wish for another operating point."""

    of_run: str  #: whose weights and calibration it has
    point: OperatingPoint
    before: float  #: the threshold of ``of_run``
    production: Production  #: afterwards; still ``of_run`` where it had the point already
    validation: Evaluation | None  #: of its held-out rows at the new threshold, where they are here


def set_threshold(settings: Settings) -> ThresholdChange:
    """Give the model in production the operating point that the settings ask for.

    Steps: choose the threshold as a fit does, on rows out of sample; log a run with the model of production and
    that threshold; promote it over what was seen. ``rollback`` goes back to the run before.

    Raises
    ------
    SettingsError
        The settings ask for no operating point.
    NoProductionModel, UnknownRun, ModelFileError
        Nothing is in production, or it has no whole model.
    DataError
        No threshold meets the rule, or there are no rows here to choose one on.
    Superseded
        Production changed at the same time.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    rule = settings.threshold_rule
    if rule is None:
        raise SettingsError("no operating point is asked for; give --threshold, --by, costs or a minimum")
    with open_registries(settings) as books:
        production = books.registry.production()
        if production is None:
            raise NoProductionModel("nothing is in production yet; run `streamgauge fit` first")
        run_id = production.run_id
        file = books.model(run_id)
        holdout, rows = own_holdout(books.miniflow, run_id), own_out_of_sample(books.miniflow, run_id)
        point = _chosen(file, holdout, rows, rule, f"run {run_id} are not in {settings.miniflow}")
        changed = replace(file, model=replace(file.model, threshold=point.threshold), threshold_rule=point.rule)
        validation = None
        if holdout is not None and len(holdout.y):
            validation = evaluate(holdout.y, probability(changed.model, holdout.x), point.threshold)
        if changed.encoded != file.encoded:
            made = _log(books.miniflow, run_id, changed, point, holdout, rows, validation)
            run = books.miniflow.run(made)
            try:
                production = books.promote_by_hand(made, changed, production, MANUAL)
            except Superseded as error:
                run.finish("superseded", f"The operating point is not in production, because {error}.")
                raise
            run.finish("promoted", f"Run {run_id} with another operating point. {point.reason}")
        return ThresholdChange(run_id, point, file.model.threshold, production, validation)


def _chosen(
    file: ModelFile, holdout: Holdout | None, rows: OutOfSample | None, rule: ThresholdRule, where: str
) -> OperatingPoint:
    if rule.by == "fixed":
        return given_operating_point(rule)
    if rows is None and (holdout is None or not len(holdout.y)):
        raise DataError(
            f"the rows of {where}, so there is nothing to choose a threshold on; give --miniflow the directory "
            "that the run was logged in, or say --threshold"
        )
    return best_operating_point(file, holdout, rows, rule)


def _log(
    miniflow: MiniFlow,
    of_run: str,
    file: ModelFile,
    point: OperatingPoint,
    holdout: Holdout | None,
    rows: OutOfSample | None,
    validation: Evaluation | None,
) -> str:
    """A run with what is known of ``of_run``, as far as that is here; the model last."""
    run = miniflow.start_run(THRESHOLD)
    card = _hand_on(miniflow, of_run, run)
    run.log_params({"threshold": point.threshold, "threshold_by": point.rule.by, "of_run": of_run})
    if validation is not None:
        steps = [line.step for line in run.metrics()]
        run.log_metrics(max(steps, default=0), {"validation_accuracy": validation.accuracy})
    if holdout is not None:
        run.write_artifact(HOLDOUT_ARTIFACT, holdout.encoded)
        run.write_artifact(PREDICTIONS_ARTIFACT, encode_predictions(file.model, holdout))
    prints = own_prints(miniflow, of_run)
    if prints is not None:
        run.write_artifact(TRAINING_ROWS_ARTIFACT, encode_prints(prints))
    if rows is not None:
        run.write_artifact(OUT_OF_SAMPLE_ARTIFACT, rows.encoded)
    run.write_artifact(PROFILE_ARTIFACT, profile_document(file.profile))
    if card is not None:
        own = msgspec.structs.replace(
            card.without(_OF_THE_POINT),
            model_sha256=file.sha256,
            validation=validation or card.validation,
            operating_point=point,
        )
        run.write_artifact(MODEL_CARD_ARTIFACT, own.encoded)
    run.write_artifact(MODEL_ARTIFACT, file.encoded)
    return run.run_id


def _hand_on(miniflow: MiniFlow, of_run: str, run: Run) -> ModelCard | None:
    """Give ``run`` the parameters, data and training figures of ``of_run``, as far as they are here; its card."""
    try:
        before = miniflow.run(of_run)
        run.log_params({name: value for name, value in before.params.items() if name not in _OF_ITS_OWN})
        lines = [
            (line.step, {name: figure for name, figure in line.metrics.items() if name.startswith(_OF_TRAINING)})
            for line in before.metrics()
        ]
        run.log_metric_lines([(step, metrics) for step, metrics in lines if metrics])
        if before.meta.data is not None:
            run.record_data(before.meta.data)
        return msgspec.json.decode(before.read_artifact(MODEL_CARD_ARTIFACT), type=ModelCard)
    except (UnknownRun, msgspec.MsgspecError):
        return None
