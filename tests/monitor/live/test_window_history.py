"""Windows over time: the worst of each piece, at the scale that suits their number."""

from __future__ import annotations

from core.drift_window import WindowState
from monitor.live.window_history import ENOUGH_WINDOWS, POINTS, WindowHistory, WindowPoint

NOW_MS = 1_700_000_000_000


def point(ms: int, window: int, score: float = 0.1, state: WindowState = "ok") -> WindowPoint:
    return WindowPoint(b"%d-0" % ms, ms, window, state, score, 0.4)


def test_many_windows_a_second_become_a_bounded_number_of_points() -> None:
    history = WindowHistory()
    for number in range(60_000):
        history.add(point(NOW_MS - 300_000 + 5 * number, number))
    span_s, buckets = history.shown(NOW_MS, NOW_MS - 300_000)
    assert span_s == 300
    assert len(buckets) <= POINTS + 1
    assert sum(bucket.windows for bucket in buckets) == 60_000


def test_a_piece_of_time_shows_its_worst_window() -> None:
    history = WindowHistory()
    start = NOW_MS - 100_000
    for number, (score, state) in enumerate([(0.2, "ok"), (9.0, "insufficient"), (0.3, "drift"), (0.39, "ok")]):
        history.add(point(start + number, number, score, state))  # type: ignore[arg-type]  # a literal
    _, (bucket,) = history.shown(NOW_MS, start)
    assert (bucket.worst.window, bucket.windows) == (2, 4)


def test_few_windows_are_shown_over_a_longer_time() -> None:
    def shown_span(every_s: int) -> int:
        history = WindowHistory()
        for number in range(2 * ENOUGH_WINDOWS):
            history.add(point(NOW_MS - 1_000 * every_s * number, number))
        return history.shown(NOW_MS, NOW_MS - 2 * ENOUGH_WINDOWS * every_s * 1_000)[0]

    assert [shown_span(every_s) for every_s in (5, 25, 100, 600, 2_400)] == [300, 900, 3_600, 21_600, 86_400]
    assert shown_span(86_400) == 86_400 * 32


def test_the_span_does_not_jump_to_and_fro() -> None:
    history = WindowHistory()
    spans = []
    for number in range(200):
        ms = NOW_MS + 9_800 * number  # 30.6 windows in 5 minutes: now 30, now 31
        history.add(point(ms, number))
        spans.append(history.shown(ms, NOW_MS)[0])
    settled = spans[60:]
    assert len(set(settled)) == 1


def test_points_stay_as_they_are_while_time_goes_on() -> None:
    history = WindowHistory()
    for number in range(100):
        history.add(point(NOW_MS - 3_000 * number, number, score=(number * 7919 % 100) / 100))
    before = [bucket.worst for bucket in history.shown(NOW_MS, NOW_MS)[1]]
    after = [bucket.worst for bucket in history.shown(NOW_MS + 1_000, NOW_MS)[1]]
    assert after in (before, before[1:])


def test_ids_of_the_future_take_no_memory() -> None:
    history = WindowHistory()
    for number in range(1_000):
        history.add(point(NOW_MS + 10_000_000 * number, number))
        history.shown(NOW_MS, NOW_MS)
    assert all(len(scale.buckets) <= POINTS + 2 for scale in history._scales)
