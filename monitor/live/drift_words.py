"""What the newest window says, in words."""

from __future__ import annotations

import math
from statistics import NormalDist

from core.drift_window import OF_LABELS, UNMENDED, DriftWindow
from core.settings import Settings
from monitor.live.text import SENTENCE_CHARACTERS, shown

#: Features that are named.
NAMED = 3
#: A shift is named as larger than chance where, of all features together, chance alone exceeds it in this share of
#: windows. Alarms have to be far rarer, so this is none.
BY_CHANCE = 0.01
_normal = NormalDist()

#: What each detector watches.
WATCHED = {
    "mean_abs_z": "the means of all features, over the window",
    "mean_shift": "the means of all features, over a few records to two hundred",
    "cusum": "the mean of each feature by itself",
    "prediction": "the mean predicted probability",
    "spread": "how far records lie from the centre of the training rows",
    "distribution": "how features, probability and distance are distributed",
    "unusable": "records that were rejected or lacked a feature",
    "constant": "features that had one value in training",
    OF_LABELS: "true outcomes against predictions",
}


def drift_words(
    newest: DriftWindow,
    judged: DriftWindow | None,
    sentence: str | None,
    settings: Settings,
    train_rows: int | None,
) -> str:
    """What ``newest`` says; ``judged`` is the newest with a verdict, which may be the same or an earlier one.

    ``sentence`` is that of the alarm that opened the open episode, where it is known. ``train_rows`` is N of the
    model whose shifts are told, None where that is not known; they stray by sqrt(1/n + 1/N) SD by chance.
    """
    parts = []
    if newest.state == "insufficient":
        parts.append(
            f"Window {newest.window} closed with {newest.n:,} records that could be used; fewer than "
            f"{settings.window_min_records:,} give no verdict."
        )
    if newest.episode is not None:
        parts += _of_episode(newest, sentence, settings)
    elif newest.state != "insufficient":
        parts.append(_shifts(newest, train_rows))
    elif judged is None:
        parts.append("No window has had a verdict yet.")
    else:
        by = "" if judged.model == newest.model else f", by run {shown(judged.model)}"
        parts.append(f"The verdict of window {judged.window} before it{by}: {_shifts(judged, train_rows)}")
    if newest.skipped:
        parts.append(f"{newest.skipped:,} of {newest.n + newest.skipped:,} records could not be used.")
    return shown(" ".join(parts), 3 * SENTENCE_CHARACTERS)


def earlier_model_words(newest: DriftWindow, run_id: str) -> str:
    """What is said before the words of a window that another model judged than ``run_id``, which is in production.

    A promotion takes effect with the next window that begins; until that closes there is nothing newer to say.
    """
    if newest.model == run_id:
        return ""
    return (
        f"Run {shown(run_id)} is in production and has no closed window yet; this is of window {newest.window}, "
        f"by run {shown(newest.model)}. "
    )


def _of_episode(newest: DriftWindow, sentence: str | None, settings: Settings) -> list[str]:
    said = newest.alarm.sentence if newest.alarm is not None else sentence
    alarmed = ", ".join(shown(name) for name in newest.alarmed[: len(WATCHED)])
    parts = [shown(said, SENTENCE_CHARACTERS) if said else f"Since window {newest.episode} alarmed: {alarmed}."]
    if set(newest.alarmed) and set(newest.alarmed) <= UNMENDED:
        parts.append("This is about records that could not be used, not about a feature; no training mends it.")
    elif set(newest.alarmed) == {OF_LABELS}:
        parts.append("The labels say so; the features need not have moved.")
    elif newest.state != "insufficient":
        parts.append(_moved(newest))
    if newest.state == "recovering":
        windows = "calm window" if settings.recovery_windows == 1 else "calm windows in a row"
        parts.append(
            f"There was no alarm in this window: the episode of window {newest.episode} is over after "
            f"{settings.recovery_windows} {windows}."
        )
    return [part for part in parts if part]


def _moved(window: DriftWindow) -> str:
    """The features that are farthest from training."""
    ranked = sorted(window.z.items(), key=lambda item: -abs(item[1]))[:NAMED]
    named = [_named(feature, z) for feature, z in ranked if abs(z) >= 0.01]
    return f"Farthest from training in window {window.window}: {_listed(named)}." if named else ""


def _shifts(window: DriftWindow, train_rows: int | None) -> str:
    """What stands out of a window without an alarm."""
    ranked = sorted(window.z.items(), key=lambda item: -abs(item[1]))
    if not ranked:
        return "It names no feature."
    bound = _bound(window.n, train_rows, len(ranked))
    beyond = [(feature, z) for feature, z in ranked if abs(z) > bound]
    if not beyond:
        return f"No feature stands out: the largest shift, {_of(*ranked[0])}, is within what chance does."
    sentences = []
    for which, group in (
        ("higher", [each for each in beyond if each[1] > 0]),
        ("lower", [each for each in beyond if each[1] < 0]),
    ):
        if group:
            named = [_named(feature, z) for feature, z in group[:NAMED]]
            more = len(group) - len(named)
            named += [f"{more:,} more"] * bool(more)
            sentences.append(f"{_listed(named)} {'is' if len(named) == 1 else 'are'} {which} than in training")
    joined = "; ".join(sentences)
    return f"{joined}; no detector took that for a drift."


def _bound(n: int, train_rows: int | None, features: int) -> float:
    """What the largest of so many shifts exceeds by chance in that share of windows (Bonferroni), training SD."""
    variance = 1.0 / max(1, n) + (1.0 / train_rows if train_rows else 0.0)
    return _normal.inv_cdf(1.0 - BY_CHANCE / (2 * features)) * math.sqrt(variance)


def _named(feature: str, z: float) -> str:
    return f"{shown(feature)} ({z:+.2g} SD)"


def _of(feature: str, z: float) -> str:
    return f"{shown(feature)} {z:+.2g} SD"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
