"""The peers in few columns: of each family the variant that is best at a change, and who is ahead of all."""

from __future__ import annotations

from dataclasses import dataclass

from bench.drift.peers.job import Outcome
from bench.drift.peers.kinds import PEERS
from bench.drift.run_length import Delays
from bench.drift.short_table import ShortTable
from bench.drift.tables import DELAY_NOTE, shown, yes_or_no
from bench.report import figure

#: Their columns, in the order of the peers.
FAMILIES = tuple(dict.fromkeys(peer.family for peer in PEERS.values()))


@dataclass(frozen=True, eq=False)
class Best:
    """The variant of a family that is quickest to find one change."""

    name: str
    delays: Delays

    @property
    def cell(self) -> str:
        """Its delay, and which variant it is of several."""
        variant = PEERS[self.name].variant
        return f"{shown(self.delays)}, {variant}" if variant else shown(self.delays)


def best_of(outcomes: list[Outcome], change: str) -> dict[str, Best]:
    """By family, of the variants that alarm at the rate asked for; a family without one is left out.

    Which variant is best is read off the very runs that are shown, and row by row: that favours the peers.
    """
    found: dict[str, Best] = {}
    for outcome in outcomes:
        delays, family = outcome.delays[change], PEERS[outcome.name].family
        if not outcome.tuned or not len(delays.records):
            continue
        if family not in found or delays.mean < found[family].delays.mean:
            found[family] = Best(outcome.name, delays)
    return found


def delay_table(name: str, default: Outcome, ours: Outcome, peers: list[Outcome], note: str) -> ShortTable:
    """Our delay at the peers' alarm rate, each family's best, and the ratio to the best of all."""
    rows = []
    for change, delays in ours.delays.items():
        best = best_of(peers, change)
        ratio = delays.mean / min((one.delays.mean for one in best.values()), default=float("nan"))
        cells = [best[family].cell if family in best else "" for family in FAMILIES]
        ahead = yes_or_no(ratio <= 1.0) if best and len(delays.records) else ""
        compared = f"{ratio:.2f}x" if ahead else ""
        rows.append((change, shown(delays), *cells, compared, ahead, shown(default.delays[change])))
    columns = ("change", ours.name, *FAMILIES, "ratio to the best", "ahead", default.name)
    return ShortTable(name, columns, tuple(rows), f"{note} {DELAY_NOTE}")


def rate_table(name: str, outcomes: list[Outcome], note: str) -> ShortTable:
    """What each one's knob was brought to, and how often it alarmed then."""
    rows = []
    for outcome in outcomes:
        knob = PEERS[outcome.name].knob if outcome.name in PEERS else "budget"
        length = figure(outcome.in_control.at_least)
        alarms = f"{outcome.in_control.alarms:,}"
        rows.append((outcome.name, f"{knob} {figure(outcome.knob)}", length, alarms, yes_or_no(outcome.tuned)))
    return ShortTable(name, ("watcher", "knob", "records an alarm", "alarms", "at the rate"), tuple(rows), note)
