"""The model card in words: intended use, data, figures, limits. One pair of term and sentence each."""

from __future__ import annotations

from streamgauge.run_report.facts import RunFacts
from streamgauge.terminal_text import counted
from trainer.metrics.bootstrap import Interval

#: Below this many rows of a class among the held-out ones, figures of that class are mostly chance.
FEW_CLASS_ROWS = 30
#: Features without variance that are named.
_MOST_NAMES = 10
_LEAST_DECIMALS, _MOST_DECIMALS = 3, 6
#: What holds for every model of this kind.
_LIMITS = (
    "It is linear in the log-odds: it does not see what features do only together.",
    "Its coefficients tell what it uses, not what causes what; where features move together, signs say little.",
    "Its figures hold for records like those it was judged on; the monitor says when they are so no longer.",
    "Whether it treats groups of people alike was not looked at.",
)


def shown(figure: float | None, interval: Interval | None = None) -> str:
    """A figure with its interval, or why there is none.

    >>> shown(0.87654, Interval(0.87654, 0.8, 0.95)), shown(0.5), shown(None)
    ('0.877 (0.800 to 0.950)', '0.500', 'undefined on these rows')
    """
    if figure is None:
        return "undefined on these rows"
    places = decimals(figure, interval)
    between = "" if interval is None else f" ({interval.low:.{places}f} to {interval.high:.{places}f})"
    return f"{figure:.{places}f}{between}"


def card_words(facts: RunFacts) -> tuple[tuple[str, str], ...]:
    """What a person should know before they use the model, in the order of its use."""
    schema, card = facts.model.schema, facts.card
    class0, class1 = schema.classes
    intended = (
        f"To tell {class1} (class 1) from {class0} (class 0) for records with {counted(schema.width, 'feature')}, "
        f"drawn as the training rows were. {_meant(facts)}"
    )
    training = (
        f"{counted(card.train_rows, 'row')}, {card.train_class1_rows:,} of them {class1} "
        f"({card.train_class1_rows / card.train_rows:.1%}). {_origin(facts)}"
    )
    judged = (
        f"{counted(len(facts.holdout.y), 'row')}, {int((facts.holdout.y == 1).sum()):,} of them {class1}. "
        f"{_standing(facts)}"
    )
    calibration = "The model's own probabilities." if card.calibration is None else card.calibration.reason
    point = card.operating_point
    from_on = f"Class 1 from probability {facts.model.threshold:.3g} on: {facts.file.threshold_rule.words}."
    return (
        ("Intended use", intended),
        ("Model", _model_words(facts)),
        ("Rows given as its data" if _imported(facts) else "Training data", training),
        ("Judged on", judged),
        ("Calibration", calibration),
        ("Operating point", from_on if point is None or not point.reason else point.reason),
        ("Limits", " ".join(_limits(facts))),
    )


def few_rows(facts: RunFacts) -> str | None:
    """A warning where one class has too few held-out rows for figures of it."""
    fewest = min(int((facts.holdout.y == 0).sum()), int((facts.holdout.y == 1).sum()))
    if fewest >= FEW_CLASS_ROWS:
        return None
    return f"One class has {counted(fewest, 'held-out row')} only: figures of it are mostly chance."


def decimals(figure: float, interval: Interval | None = None) -> int:
    """Three, or as many as it takes that a figure is not 0 and an interval has two ends; at most six.

    >>> decimals(0.25), decimals(0.00031), decimals(0.9941, Interval(0.9941, 0.9939, 0.9943))
    (3, 4, 4)
    """
    for places in range(_LEAST_DECIMALS, _MOST_DECIMALS):
        ends = () if interval is None else (f"{interval.low:.{places}f}", f"{interval.high:.{places}f}")
        seen = not figure or float(f"{figure:.{places}f}") != 0
        if seen and len(set(ends)) == len(ends):
            return places
    return _MOST_DECIMALS


def _imported(facts: RunFacts) -> bool:
    return "imported" in facts.params


def _meant(facts: RunFacts) -> str:
    class1, calibration = facts.model.schema.classes[1], facts.model.calibration
    weighted = facts.card.solver_params.get("class_weight") == "balanced"
    if weighted and (calibration is None or calibration.kind == "temperature"):
        return (
            "Its probability is not a share: it was trained as if both classes were equally frequent, and no "
            f"calibration takes that back. It ranks records by how likely they are {class1}."
        )
    return f"Its probability is meant as a share: of records with .8, about eight in ten are {class1}."


def _standing(facts: RunFacts) -> str:
    """What part the rows that judge have had in the model, as far as anyone knows."""
    chose = "They chose the threshold too, so figures at it flatter the model."
    copies = 0 if facts.decision is None else facts.decision.copies
    if copies:
        chose = (
            f"{copies:,} of them are copies of rows that trained and flatter the model in all figures but those "
            f"beside production, where they are left out. {chose if facts.threshold_on_holdout else ''}"
        ).strip()
    if not _imported(facts):
        if copies or facts.threshold_on_holdout:
            return chose
        return "They neither trained, calibrated nor chose the threshold."
    if facts.params.get("unseen") or facts.params.get("holdout"):
        trained = "The model was not trained on them, as who imported it said; nobody can see that here."
    else:
        trained = "Whether the model was trained on them is not known; if it was, all its figures are too good."
    return f"{trained} {chose}" if copies or facts.threshold_on_holdout else trained


def _model_words(facts: RunFacts) -> str:
    card = facts.card
    if _imported(facts):
        return (
            f"Logistic regression, trained by {card.solver}, imported from the file {facts.params['imported']}. "
            f"SHA-256 of the file here: {card.model_sha256}."
        )
    end = "arrived at the optimum" if card.converged else "stopped before the optimum"
    return (
        f"Logistic regression on standardised features by {card.solver}, which {end} "
        f"(largest gradient component {card.gradient_norm:.1e}). SHA-256 of the file: {card.model_sha256}."
    )


def _origin(facts: RunFacts) -> str:
    csv = facts.params.get("csv")
    if csv is not None:
        return f"From the file {csv}, column {facts.params.get('label')}; seed {facts.card.seed}."
    rows = facts.params.get("rows_seen")
    seen = f" among {rows:,} sampled" if isinstance(rows, int) else " among the"
    return f"Those with a label{seen} records of the stream, the newest fifth held out; seed {facts.card.seed}."


def _limits(facts: RunFacts) -> list[str]:
    card = facts.card
    limits = [*_LIMITS]
    few = few_rows(facts)
    if few is not None:
        limits.append(few)
    if card.constant_features:
        names = ", ".join(card.constant_features[:_MOST_NAMES])
        names += " and others" if len(card.constant_features) > _MOST_NAMES else ""
        limits.append(f"Without variance in training, and so without any say: {names}.")
    if facts.params.get("label_coverage") is not None:
        limits.append(
            "Only records whose outcome became known are in it: where that depends on what was decided, its "
            "figures are of those records alone."
        )
    return limits
