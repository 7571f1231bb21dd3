"""Episodes: drift that is confirmed once, asks for one retraining, and ends."""

from __future__ import annotations

import msgspec

from core.drift_window import WindowState


class JudgedWindow(msgspec.Struct, frozen=True):
    """What the confirmation rule remembers of a window."""

    window: int
    drifted: bool  #: outside the bounds
    calm: bool  #: well inside them; see ``monitor.detectors.headline.CALM_TAIL``
    first: str  #: id of its first record
    first_entry: str


class Episode(msgspec.Struct, frozen=True):
    """An open episode."""

    number: int  #: window that confirmed it
    first: str  #: first suspected record
    since: str  #: its entry id
    model: str


class EpisodeState(msgspec.Struct, frozen=True):
    """The rule's memory; part of the monitor's state."""

    recent: list[JudgedWindow] = []
    episode: Episode | None = None
    last_opened_ms: int | None = None


class EpisodeStep(msgspec.Struct, frozen=True):
    """What one window led to."""

    state: EpisodeState
    window_state: WindowState
    opened: Episode | None  #: the episode that this window confirmed


class EpisodeRule(msgspec.Struct, frozen=True):
    """Confirmed by m of the last k windows, then silent for a cooldown; a pure function of its inputs."""

    confirm_windows: int  #: m
    confirm_of_windows: int  #: k
    cooldown_ms: int

    def step(self, state: EpisodeState, judged: JudgedWindow, model: str, end_ms: int) -> EpisodeStep:
        """Take one window with a verdict into account.

        A drifting window opens an episode if m of the last k drift. The first suspected record is the first one of
        the first drifting window among them. An episode ends when all of the last k windows are calm, which is
        more than not drifting: a lasting shift near the threshold does not end its episode at every dip. A
        promotion ends it too (see :meth:`rearm`).
        """
        recent = [*state.recent, judged][-self.confirm_of_windows :]
        drifting = [window for window in recent if window.drifted]
        episode, opened, last_opened_ms = state.episode, None, state.last_opened_ms
        if episode is not None:
            if len(recent) == self.confirm_of_windows and all(window.calm for window in recent):
                episode = None
        elif judged.drifted and len(drifting) >= self.confirm_windows and self._cool(state, end_ms):
            episode = opened = Episode(judged.window, drifting[0].first, drifting[0].first_entry, model)
            last_opened_ms = end_ms
        window_state: WindowState = "drift" if judged.drifted else "recovering" if episode is not None else "ok"
        return EpisodeStep(EpisodeState(recent, episode, last_opened_ms), window_state, opened)

    def rearm(self, state: EpisodeState) -> EpisodeState:
        """A new model is in production: its windows are judged afresh."""
        return EpisodeState([], None, state.last_opened_ms)

    def _cool(self, state: EpisodeState, end_ms: int) -> bool:
        return state.last_opened_ms is None or end_ms - state.last_opened_ms >= self.cooldown_ms
