"""Two runs side by side: what they were given, what came out, and whether the difference is more than chance."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.errors import ModelFileError, UnknownRun
from core.miniflow import Parameter
from core.model_file import ModelFile
from core.settings import Settings
from trainer.fit import probability
from trainer.holdout import HOLDOUT_ARTIFACT
from trainer.imported.judged_rows import may_have_seen
from trainer.promotion.decision import DECISION_ARTIFACT, PromotionDecision, read_decision
from trainer.promotion.paired_test import CONFIDENCE, MIN_CLASS_ROWS, PairedTest, paired_test
from trainer.registries import Registries, open_registries
from trainer.retraining import own_holdout
from trainer.run_selection import ListedRun, listed_run


class Pair(msgspec.Struct, frozen=True):
    """One thing of both runs; None: that run has nothing of the name."""

    first: Parameter
    second: Parameter
    difference: float | None = None  #: second less first, of figures

    @property
    def same(self) -> bool:
        """Whether both have the same, to the bit."""
        return self.first == self.second


class RunComparison(msgspec.Struct, frozen=True):
    """``streamgauge compare``."""

    first: ListedRun
    second: ListedRun
    parameters: dict[str, Pair]
    data: dict[str, Pair]
    environment: dict[str, Pair]
    metrics: dict[str, Pair]
    operating_point: dict[str, Pair]
    same_holdout: PairedTest | None  #: second less first, on the held-out rows that both have
    verdict: str  #: one sentence: what the difference of the figures is worth


def compare_runs(settings: Settings, first: str, second: str) -> RunComparison:
    """Compare two runs, each named by its id, the beginning of it, ``production`` or ``previous``.

    Raises
    ------
    NoProductionModel, UnknownRun
        There is no such run in this MiniFlow directory.
    ServerUnavailable
        No Redis at ``redis_url``.
    """
    with open_registries(settings) as books:
        production = books.registry.production()
        one, other = (
            listed_run(books.miniflow.run(books.named(text)).summary(), production) for text in (first, second)
        )
        models = _model(books, one), _model(books, other)
        paired, verdict = _same_rows(books, one, other, *models)
    return RunComparison(
        one,
        other,
        parameters=_pairs(one.params, other.params),
        data=_pairs(_data(one), _data(other)),
        environment=_pairs(_environment(one), _environment(other)),
        metrics=_pairs(one.metrics, other.metrics, figures=True),
        operating_point=_pairs(_operating_point(models[0]), _operating_point(models[1])),
        same_holdout=paired,
        verdict=verdict,
    )


def _pairs(
    first: Mapping[str, Parameter], second: Mapping[str, Parameter], *, figures: bool = False
) -> dict[str, Pair]:
    names = dict.fromkeys([*first, *second])
    return {name: _pair(first.get(name), second.get(name), figures=figures) for name in names}


def _pair(first: Parameter, second: Parameter, *, figures: bool) -> Pair:
    if figures and isinstance(first, int | float) and isinstance(second, int | float):
        return Pair(first, second, second - first)
    return Pair(first, second)


def _data(run: ListedRun) -> dict[str, Parameter]:
    data = run.meta.data
    found: dict[str, Parameter] = {} if data is None else msgspec.to_builtins(data)
    return found | {"holdout_sha256": run.meta.artifacts.get(HOLDOUT_ARTIFACT)}


def _environment(run: ListedRun) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {} if run.meta.environment is None else msgspec.to_builtins(run.meta.environment)
    return found


def _operating_point(model: ModelFile | None) -> dict[str, Parameter]:
    if model is None:
        return {}
    calibration = model.model.calibration
    return {
        "threshold": model.model.threshold,
        "rule": model.threshold_rule.words,
        "calibration": "none" if calibration is None else calibration.kind,
    }


def _model(books: Registries, run: ListedRun) -> ModelFile | None:
    try:
        return books.model(run.run_id)
    except (UnknownRun, ModelFileError):
        return None


def _same_rows(
    books: Registries, one: ListedRun, other: ListedRun, first: ModelFile | None, second: ModelFile | None
) -> tuple[PairedTest | None, str]:
    """Both models on the held-out rows that both have, and what that says."""
    for run, model in ((one, first), (other, second)):
        if model is None:
            return None, f"Run {run.run_id} has no whole model, so nothing is judged on the same rows."
    for run in (one, other):
        if may_have_seen(run.params):
            return None, (
                f"Run {run.run_id} is an imported model that may have been trained on the rows that judge it, so "
                "nothing is judged on the same rows."
            )
    digests = {run.meta.artifacts.get(HOLDOUT_ARTIFACT) for run in (one, other)}
    holdout = own_holdout(books.miniflow, one.run_id)
    if first is None or second is None or holdout is None or len(digests) > 1 or not len(holdout.y):
        differ = "The runs held out different rows, so a difference of their figures is one of rows too."
        return None, f"{differ}{_judged_beside(books, one, other)}"
    if first.model.schema != second.model.schema:
        return None, "The models are of different schemas, so they cannot be judged on the same rows."
    p_first, p_second = probability(first.model, holdout.x), probability(second.model, holdout.x)
    paired = paired_test(holdout.y, p_second, p_first)
    return paired, _words(paired, one.run_id, other.run_id)


def _judged_beside(books: Registries, one: ListedRun, other: ListedRun) -> str:
    """What was said when one of the runs was judged beside the other; empty where neither was."""
    for judged, rival in ((other, one), (one, other)):
        decision = _decision(books, judged)
        if decision is not None and decision.production == rival.run_id and decision.judged is not None:
            return f" When run {judged.run_id} was judged beside {rival.run_id}: {decision.sentence}"
    return ""


def _decision(books: Registries, run: ListedRun) -> PromotionDecision | None:
    try:
        return read_decision(books.miniflow.run(run.run_id).read_artifact(DECISION_ARTIFACT))
    except (UnknownRun, msgspec.MsgspecError):
        return None


def _words(paired: PairedTest, first: str, second: str) -> str:
    on = f"On the {paired.rows} rows that both held out"
    if paired.difference == 0.0:
        return f"{on}, both have the same log-loss."
    if paired.difference < 0:
        better, worse, low, high = second, first, -paired.high, -paired.low
    else:
        better, worse, low, high = first, second, paired.low, paired.high
    found = f"{on}, the log-loss of {better} is lower than that of {worse} by {abs(paired.difference):.4f}"
    if not paired.enough:
        return f"{found}, but to tell more from chance takes {MIN_CLASS_ROWS} rows of each class."
    chance = min(paired.p_better, paired.p_worse) > (1.0 - CONFIDENCE) / 2  # either may be the better one
    return (
        f"{found} ({CONFIDENCE:.0%} interval {low:.4f} to {high:.4f}): {'no ' if chance else ''}more than chance "
        "explains."
    )
