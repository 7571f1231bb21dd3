"""Episodes: a drift that is noticed once, asks for one retraining, and ends."""

from __future__ import annotations

import msgspec

from core.drift_window import Alarm, WindowState
from monitor.detectors import concept


class JudgedWindow(msgspec.Struct, frozen=True):
    """What the rule looks at of a window."""

    window: int
    alarm: Alarm | None
    alarmed: list[str]  #: every detector that alarmed in it
    asks_retraining: bool  #: training mends what the alarm is about
    enough: bool  #: it holds records enough for a verdict
    calm: bool  #: no detector gives a hint of a drift
    settled: bool = True  #: enough labels came since the last alarm of theirs to show whether its cause lasts


class Episode(msgspec.Struct, frozen=True):
    """An open episode."""

    number: int  #: window that opened it
    first: str  #: first suspected record
    since: str  #: its entry id
    model: str
    alarmed: list[str]  #: detectors that alarmed in it, in the order in which they did
    asked: bool  #: it has written its retrain event


class EpisodeState(msgspec.Struct, frozen=True):
    """The rule's memory; part of the monitor's state."""

    episode: Episode | None = None
    calm_windows: int = 0  #: of the open episode, in a row until now
    last_asked_ms: int | None = None  #: when the newest retrain event was written, by entry ids


class EpisodeStep(msgspec.Struct, frozen=True):
    """What one window led to."""

    state: EpisodeState
    window_state: WindowState
    asks: Episode | None  #: the episode for which this window asks for a retraining


class EpisodeRule(msgspec.Struct, frozen=True):
    """An alarm opens an episode, calm windows end it; a pure function of its inputs."""

    recovery_windows: int
    cooldown_ms: int  #: shortest time between two retrain events

    def step(self, state: EpisodeState, judged: JudgedWindow, end_ms: int) -> EpisodeStep:
        """Take one window into account, which ended at ``end_ms`` by the ids of its entries.

        An alarm opens an episode and asks for one retraining. Within the cooldown it does neither: its window is
        in drift, and what goes on drifting opens an episode with the first alarm behind the cooldown. An alarm
        that no training mends opens an episode whenever it comes, and asks for nothing; the first other alarm in
        such an episode asks, if the cooldown is over. An episode ends after so many calm windows in a row, where
        windows with too few records do not count, nor those before enough labels came where labels alarmed in it,
        or with a promotion (see :meth:`rearm`). Calm is more than free
        of alarms: a lasting shift near the thresholds does not end its episode at every dip.
        """
        episode, calm_windows, last_asked_ms = state.episode, 0, state.last_asked_ms
        asks = False
        if judged.alarm is not None:
            asks = judged.asks_retraining and self._cool(state, end_ms) and not (episode and episode.asked)
            if episode is None and (asks or not judged.asks_retraining):
                alarm = judged.alarm
                episode = Episode(judged.window, alarm.first, alarm.since, alarm.model, [], asked=False)
            if episode is not None:
                alarmed = list(dict.fromkeys([*episode.alarmed, *judged.alarmed]))
                episode = msgspec.structs.replace(episode, alarmed=alarmed, asked=episode.asked or asks)
            last_asked_ms = end_ms if asks else last_asked_ms
        elif episode is not None:
            waits_for_labels = concept.NAME in episode.alarmed and not judged.settled
            calm_windows = state.calm_windows if waits_for_labels else _counted(state.calm_windows, judged)
            if calm_windows >= self.recovery_windows:
                episode, calm_windows = None, 0
        return EpisodeStep(
            EpisodeState(episode, calm_windows, last_asked_ms),
            _window_state(judged, is_open=episode is not None),
            episode if asks else None,
        )

    def rearm(self, state: EpisodeState) -> EpisodeState:
        """A new model is in production: its windows are judged afresh."""
        return EpisodeState(last_asked_ms=state.last_asked_ms)

    def cuts(self, state: EpisodeState, start_ms: int) -> bool:
        """Whether an alarm ends the pane that begins at ``start_ms``, so that what it leads to need not wait.

        In an episode and within the cooldown it leads to nothing, and a lasting drift would make many small
        windows.
        """
        return state.episode is None and self._cool(state, start_ms)

    def _cool(self, state: EpisodeState, end_ms: int) -> bool:
        return state.last_asked_ms is None or end_ms - state.last_asked_ms >= self.cooldown_ms


def _counted(calm_windows: int, judged: JudgedWindow) -> int:
    if not judged.enough:
        return calm_windows
    return calm_windows + 1 if judged.calm else 0


def _window_state(judged: JudgedWindow, *, is_open: bool) -> WindowState:
    if judged.alarm is not None:
        return "drift"
    if not judged.enough:
        return "insufficient"
    return "recovering" if is_open else "ok"
