"""The concept detector: a sequential test, label by label, of whether outcomes still follow the model's
probabilities.

For each alternative a Shiryaev-Roberts statistic R_t = (1 + R_{t-1}) L_t is kept, L_t being the likelihood ratio
of label t against the nearest probability that the null hypothesis allows. While that holds, E[L_t | past] <= 1,
so R_t - t is a supermartingale, and so is the mean M_t of the statistics less t; at the first time T of M_T >= A,
A <= E M_T <= E T: the mean number of labels before a false alarm is at least A. So the threshold is the budget.
Sources: Pollak 1985 (Ann. Statist. 13:206); Shin, Ramdas, Rinaldo 2022 (e-detectors, arXiv 2203.03532, sec. 2).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.concept_reference import ConceptReference, Outcomes, check_outcomes, row_log_losses
from core.errors import SettingsError
from core.model import Floats
from monitor.detectors.concept_alternatives import ALTERNATIVES, WORDS, Finding, likelihood_ratios

#: Name in metrics and verdicts.
NAME = "concept"
#: Mean age in labels of what the recent figures hold; their error is that of twice as many labels, which at 400 is
#: half of what a holdout of 180 rows leaves unknown.
RECENT_LABELS = 200
_KEPT = 1.0 - 1.0 / RECENT_LABELS
#: Labels worked on at once: a long batch with an early alarm is not worked through in vain.
_PIECE = 4096


class Sums(msgspec.Struct, frozen=True, array_like=True):
    """Sums over labels since the test began."""

    labels: int = 0
    loss: float = 0.0  #: log-loss
    loss_square: float = 0.0
    surplus: float = 0.0  #: outcome (0 or 1) less its recalibrated probability
    surplus_variance: float = 0.0  #: p (1 - p) of that probability


class Track(msgspec.Struct, frozen=True, array_like=True):
    """One alternative's part of the test."""

    statistic: float = 0.0  #: Shiryaev-Roberts
    evidence: float = 0.0  #: sum of log likelihood ratios
    lowest: float = 0.0  #: least value of that sum before the last label
    before: Sums = Sums()  #: all labels up to that least value: the change is suspected to come right after them


class Recent(msgspec.Struct, frozen=True, array_like=True):
    """Exponentially weighted figures, the newest label with weight 1; an alarm does not reset them."""

    labels: int = 0  #: all labels ever counted
    loss_sum: float = 0.0
    surplus_sum: float = 0.0

    @property
    def weight(self) -> float:
        """Sum of the weights."""
        return (1.0 - _KEPT**self.labels) * RECENT_LABELS

    @property
    def log_loss(self) -> float | None:
        """Mean log-loss of the last few hundred labels; None before the first."""
        return self.loss_sum / self.weight if self.labels else None

    @property
    def surplus(self) -> float | None:
        """Observed less expected rate of class 1 over the same labels."""
        return self.surplus_sum / self.weight if self.labels else None


class ConceptState(msgspec.Struct, frozen=True):
    """All that decides what the detector says of further labels; under 2 kB as JSON."""

    tracks: list[Track]
    sums: Sums = Sums()
    recent: Recent = Recent()
    alarmed: bool = False


class ConceptAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, and by how much; counts are in labels. Errors are standard errors."""

    labels: int  #: tested when it was raised, since the test began
    since: int  #: of these, how many come after the suspected change
    finding: Finding  #: of the alternative with the largest share in the statistic
    statistic: float
    threshold: float
    log_loss: float  #: mean since the suspected change
    log_loss_change: float  #: that, less the reference's
    log_loss_change_error: float
    rate_change: float  #: share of class 1 since the suspected change, less what the reference leads one to expect
    rate_change_error: float

    @property
    def words(self) -> str:
        """The finding as a sentence's part."""
        return WORDS[self.finding]


class ConceptDetector:
    """Tests labels against one model's reference.

    What it says depends on the labels and their order alone, not on how they were cut into batches, to the bit.
    It belongs to one model: another model's logits need a detector with that model's reference.

    Parameters
    ----------
    reference
        Of the model, or of its calibrated probabilities if those are what is tested.
    budget_labels
        Mean number of labels before a false alarm, at least.

    Raises
    ------
    SettingsError
        A budget of fewer labels than one.
    """

    def __init__(self, reference: ConceptReference, budget_labels: float) -> None:
        if not 1.0 <= budget_labels < math.inf:
            raise SettingsError(
                f"a budget of one false alarm in {budget_labels} labels cannot be kept; choose a number above 1"
            )
        self._reference = reference
        self.threshold = float(budget_labels)
        self._state = _fresh(Recent())

    @classmethod
    def from_state(cls, reference: ConceptReference, budget_labels: float, state: ConceptState) -> ConceptDetector:
        """Go on where :meth:`state` was taken.

        Raises
        ------
        ValueError
            Values that no detector writes.
        """
        detector = cls(reference, budget_labels)
        _check(state)
        detector._state = state
        return detector

    def state(self) -> ConceptState:
        """To be stored; immutable."""
        return self._state

    def reset(self) -> None:
        """Begin the test anew, as after an alarm; the recent figures stay."""
        self._state = _fresh(self._state.recent)

    @property
    def statistic(self) -> float:
        """Mean of the alternatives' statistics; an alarm from :attr:`threshold` on."""
        return float(_mean(np.array([[track.statistic] for track in self._state.tracks]))[0])

    @property
    def recent(self) -> Recent:
        """Figures of the last labels, for a gauge."""
        return self._state.recent

    @property
    def alarm(self) -> ConceptAlarm | None:
        """The alarm that was raised and not yet reset."""
        return self._alarm() if self._state.alarmed else None

    def update(self, logit: Floats, y: Outcomes) -> int | None:
        """Take the next labels: logits (n,) of their rows and outcomes (n,), 0 or 1.

        Returns the index of the label that raised the alarm. Labels after it are not taken: :meth:`reset` and pass
        them again. Without a reset, the test rests and further labels enter the recent figures alone.

        Raises
        ------
        DataError
            Shapes that do not fit together, logits that are not finite, or outcomes other than 0 and 1.
        """
        class_1 = check_outcomes(logit, y)
        for start in range(0, len(logit), _PIECE):
            piece = slice(start, start + _PIECE)
            taken = self._take(logit[piece], class_1[piece])
            if taken is not None:
                return start + taken
        return None

    def _take(self, logit: Floats, class_1: NDArray[np.bool_]) -> int | None:
        state = self._state
        losses = row_log_losses(logit, class_1)
        seen = self._reference.outcome_range(logit, class_1)
        surplus = np.where(class_1, 1.0 - seen.expected, seen.expected - 1.0)
        crossed = None
        if not state.alarmed:
            ratios = likelihood_ratios(seen, class_1)
            statistics = np.array(
                [_statistics(row, track.statistic) for row, track in zip(ratios, state.tracks, strict=True)]
            )
            above = np.flatnonzero(_mean(statistics) >= self.threshold)
            crossed = int(above[0]) if len(above) else None
        last = len(logit) - 1 if crossed is None else crossed
        recent = _recent(state.recent, losses[: last + 1], surplus[: last + 1])
        if state.alarmed:
            self._state = msgspec.structs.replace(state, recent=recent)
            return None
        variance = seen.expected * (1.0 - seen.expected)
        columns = np.array([losses, losses**2, surplus, variance])[:, : last + 1]
        running = _running([*msgspec.structs.astuple(state.sums)[1:]], columns)
        evidence = _running([track.evidence for track in state.tracks], np.log(ratios[:, : last + 1]))
        tracks = [
            _advanced(track, float(statistic), path, state.sums.labels, running)
            for track, statistic, path in zip(state.tracks, statistics[:, last], evidence, strict=True)
        ]
        sums = _sums_at(state.sums.labels, running, last + 1)
        self._state = ConceptState(tracks, sums, recent, crossed is not None)
        return crossed

    def _alarm(self) -> ConceptAlarm:
        winner = max(range(len(ALTERNATIVES)), key=lambda index: self._state.tracks[index].statistic)
        sums, before = self._state.sums, self._state.tracks[winner].before
        labels = sums.labels - before.labels
        loss = (sums.loss - before.loss) / labels
        spread = max((sums.loss_square - before.loss_square) / labels - loss**2, 0.0)
        variance = max(sums.surplus_variance - before.surplus_variance, 0.0)
        reference = self._reference
        return ConceptAlarm(
            labels=sums.labels,
            since=labels,
            finding=ALTERNATIVES[winner].finding,
            statistic=self.statistic,
            threshold=self.threshold,
            log_loss=loss,
            log_loss_change=loss - reference.log_loss,
            log_loss_change_error=math.sqrt(spread / labels + reference.log_loss_error**2),
            rate_change=(sums.surplus - before.surplus) / labels,
            rate_change_error=math.sqrt(variance) / labels,
        )


def _fresh(recent: Recent) -> ConceptState:
    return ConceptState([Track()] * len(ALTERNATIVES), Sums(), recent)


def _check(state: ConceptState) -> None:
    if len(state.tracks) != len(ALTERNATIVES):
        raise ValueError(f"a concept test of {len(state.tracks)} alternatives is not one of {len(ALTERNATIVES)}")
    labels = state.sums.labels
    if not 0 <= labels < 2**63 or not 0 <= state.recent.labels < 2**63 or (state.alarmed and not labels):
        raise ValueError(f"a concept test counts {labels} and {state.recent.labels} labels")
    numbers = [*msgspec.structs.astuple(state.sums)[1:], *msgspec.structs.astuple(state.recent)[1:]]
    for track in state.tracks:
        numbers += [track.evidence, track.lowest, *msgspec.structs.astuple(track.before)[1:]]
        # a suspected change has a label behind it, else an alarm would have no mean
        if not (0.0 <= track.statistic < math.inf and 0 <= track.before.labels < max(labels, 1)):
            raise ValueError(f"a concept test holds {track}")
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("a concept test holds impossible numbers")


def _statistics(ratios: Floats, statistic: float) -> list[float]:
    """(n,) Shiryaev-Roberts statistic after each label.

    A label that says nothing on the alternative (ratio 1, see ``likelihood_ratios``) is passed over: else the
    statistic of an alternative that lies inside the null hypothesis would count labels up to the threshold. A
    statistic that is never above another one with ARL >= A keeps that bound.
    """
    path = []
    for ratio in ratios.tolist():
        if ratio != 1.0:
            statistic = (statistic + 1.0) * ratio
        path.append(statistic)
    return path


def _mean(statistics: Floats) -> Floats:
    """(n,) mean over alternatives (k, n)."""
    total = statistics[0].copy()
    with np.errstate(over="ignore"):  # far behind the crossing
        for row in statistics[
            1:
        ]:  # one after the other: NumPy's own sum adds one column in another order than many
            total += row
    mean: Floats = total / len(statistics)
    return mean


def _running(start: list[float], columns: Floats) -> Floats:
    """(k, n + 1) sums of ``columns`` (k, n) up to each label, begun at ``start``; added one after the other."""
    return np.cumsum(np.column_stack([np.array(start), columns]), axis=1)


def _advanced(track: Track, statistic: float, evidence: Floats, labels: int, running: Floats) -> Track:
    path = evidence[:-1]  # a change comes before the last label
    lowest = float(path.min())
    if lowest > track.lowest:
        return Track(statistic, float(evidence[-1]), track.lowest, track.before)
    place = int(np.flatnonzero(path == lowest)[-1])
    return Track(statistic, float(evidence[-1]), lowest, _sums_at(labels, running, place))


def _sums_at(labels: int, running: Floats, place: int) -> Sums:
    return Sums(labels + place, *running[:, place].tolist())


def _recent(recent: Recent, losses: Floats, surplus: Floats) -> Recent:
    loss_sum, surplus_sum = recent.loss_sum, recent.surplus_sum
    for loss, one in zip(losses.tolist(), surplus.tolist(), strict=True):
        loss_sum = loss_sum * _KEPT + loss
        surplus_sum = surplus_sum * _KEPT + one
    return Recent(recent.labels + len(losses), loss_sum, surplus_sum)
