"""Each kind of fault, done to a running pipeline, and what ends it again."""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from redis.exceptions import ResponseError

from bench.chaos import garbage
from bench.chaos.damage import Damage
from bench.chaos.fleet import Fleet, Member, PusherProcess
from bench.chaos.proxy import Proxy
from bench.chaos.pusher import read_journal
from bench.chaos.schedule import Fault
from bench.chaos.server import ChaosServer, RawClient
from bench.chaos.workload import SCHEMA
from core.keys import MONITORS, SCORERS, PipelineKeys

#: Looks for a moment at which a scorer holds entries, before it is killed or stopped anyway.
HOLD_LOOKS = 100
LOOK_S = 0.001
#: A commit that was sent before the stop is done by then.
SURE_S = 0.01
#: Usual time until a dead service starts again, a paused one goes on, damage is mended, one scorer is left again.
DOWN_S, PAUSE_S, DAMAGED_S, SCALED_S = 0.6, 0.5, 3.0, 10.0
#: Scorers at the most.
MOST_SCORERS = 4
#: Done where a fault has no target, as no process of that kind is up.
INSTEAD = "cut connections"
#: What a torn reply answers, and the most that comes through of it: scripts answer in a few bytes, reads in many.
TORN_COMMANDS = (b"EVALSHA", b"EVALSHA", b"XREADGROUP", b"XREAD")
#: What every call of a producer names, and no other command.
TORN_PUBLISH = b":producer:"
TORN_BYTES = 30
#: Garbage entries at once.
SPRAY = 30


@dataclass
class FaultLog:
    """What was done when, for whoever looks for a cause."""

    began_s: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Note what happened now."""
        self.lines.append(f"{time.monotonic() - self.began_s:8.2f} s  {text}")


@dataclass
class Target:
    """What the faults are done to."""

    server: ChaosServer
    proxy: Proxy
    client: RawClient
    keys: PipelineKeys
    partitions: int
    fleet: Fleet
    pusher: PusherProcess
    journal: Path
    batches: int
    takeover_idle_s: float


class Faults:
    """Does faults, and undoes in time what does not end by itself."""

    def __init__(self, target: Target, log: FaultLog, seed: int, count: int) -> None:
        self._target = target
        self._log = log
        self._dice = random.Random(seed)  # noqa: S311  (repeatable, no secret)
        self._damage = Damage(target.client, target.keys, target.partitions)
        target.fleet.damaged = lambda: self._damage.config_is_hurt or time.monotonic() < self._refuse_until_s
        self._refuse_until_s = 0.0
        self._undo: list[tuple[float, int, str, Callable[[], None]]] = []
        self._tickets = itertools.count()
        self._records = itertools.cycle(garbage.drawn(garbage.records(SCHEMA), seed, max(50, 2 * count)))
        self._entries = {
            name: itertools.cycle(garbage.drawn(strategy, seed, 50))
            for name, strategy in garbage.entries(SCHEMA).items()
        }
        self.done: dict[str, int] = {}
        self.bitten = 0  #: scorers hit while they held entries
        self.garbage_entries = 0
        self._acts: dict[str, Callable[[Fault], str | None]] = {
            "scale to 4": self._scale,
            "second monitor": self._second_monitor,
            "kill server": self._kill_server,
            "flush scripts": self._flush_scripts,
            "cut connections": self._cut_connections,
            "tear reply": lambda fault: self._tear_reply(fault, self._dice.choice(TORN_COMMANDS)),
            "tear reply to producer": lambda fault: self._tear_reply(fault, TORN_PUBLISH),
            "garbage records": self._garbage_records,
            "garbage entries": self._garbage_entries,
            "garbage in hash": lambda fault: self._hurt(fault, self._damage.garbage_in_hash(self._dice)),
            "wrong type": lambda fault: self._hurt(fault, self._damage.wrong_type(self._dice)),
            "exhausted stream": lambda fault: self._hurt(fault, self._damage.exhausted(self._dice), anew=False),
            "kill producer": lambda fault: self._end_producer(fault, signal.SIGKILL),
            "term producer": lambda fault: self._end_producer(fault, signal.SIGTERM),
            "pause producer": self._pause_producer,
            "destroy group scorers": lambda fault: self._destroy(fault, SCORERS),
            "destroy group monitors": lambda fault: self._destroy(fault, MONITORS),
        }

    def perform(self, fault: Fault) -> None:
        """Do one fault."""
        act = self._acts.get(fault.kind)
        what = act(fault) if act is not None else self._on_service(fault)
        kind = fault.kind
        if what is None:
            kind, what = INSTEAD, f"{self._cut_connections(fault)}, for there was nothing to {fault.kind}"
        self.done[kind] = self.done.get(kind, 0) + 1
        self._log.say(f"#{fault.number} {kind}: {what}")

    def tend(self) -> None:
        """Undo what is due, start again who ended, and look after the producer."""
        now_s = time.monotonic()
        while self._undo and self._undo[0][0] <= now_s:
            _, _, what, undo = heapq.heappop(self._undo)
            undo()
            self._log.say(f"{what} ended")
        fleet = self._target.fleet
        fleet.watch()
        for member in fleet.idle():
            if not any(what == member.name for _, _, what, _ in self._undo):
                fleet.start(member)
        if not self._target.pusher.running():
            self.start_pusher()

    def undo_all(self) -> None:
        """End every fault that still lasts."""
        self._undo = [(0.0, ticket, what, undo) for _, ticket, what, undo in self._undo]
        heapq.heapify(self._undo)
        self.tend()

    def start_pusher(self) -> None:
        """Start the producer behind what was tried."""
        tried, _ = read_journal(self._target.journal)
        first = tried[-1] + 1 if tried else 0
        if first < self._target.batches:
            self._target.pusher.start(first)

    def _later(self, seconds: float, what: str, undo: Callable[[], None]) -> None:
        heapq.heappush(self._undo, (time.monotonic() + seconds, next(self._tickets), what, undo))

    def _pick(self, fault: Fault, kind: str) -> Member | None:
        members = self._target.fleet.running(kind)
        return members[int(fault.choice * len(members))] if members else None

    def _on_service(self, fault: Fault) -> str | None:
        """Kill, end or pause one process of a service."""
        verb, kind, *long = fault.kind.split()
        member = self._pick(fault, kind)
        if member is None:
            return None
        fleet = self._target.fleet
        held = self._stop_while_it_holds(member) if kind == "scorer" and verb != "term" else False
        name = f"{member.name} (pid {member.pid}{', holding entries' if held else ''})"
        if verb == "kill":
            fleet.kill(member)
            self._later(DOWN_S * fault.length_s, member.name, lambda: None)
        elif verb == "term":
            fleet.terminate(member)
        else:
            fleet.pause(member)
            usual_s = 2 * self._target.takeover_idle_s if long else PAUSE_S
            if long and not fleet.running("scorer"):
                other = fleet.add("scorer")  # somebody has to be there to take over
                self._later(SCALED_S * fault.length_s, f"help of {other.name}", lambda: fleet.dismiss(other))
            self._later(usual_s * fault.length_s, f"pause of {member.name}", lambda: fleet.resume(member))
        return name

    def _stop_while_it_holds(self, member: Member) -> bool:
        """Stop a scorer at a moment at which it has read entries and not committed them."""
        fleet = self._target.fleet
        for _ in range(HOLD_LOOKS):
            fleet.pause(member)
            if self._holds(member):
                time.sleep(SURE_S)
                if self._holds(member):
                    self.bitten += 1
                    return True
            fleet.resume(member)
            time.sleep(LOOK_S)
        return False

    def _holds(self, member: Member) -> bool:
        for number in range(self._target.partitions):
            try:
                summary = self._target.client.insist(
                    "XPENDING", self._target.keys.partition(number).records, SCORERS
                )
            except ResponseError:
                continue  # the group was destroyed, or the stream is aside
            if any(f"-{member.pid}-".encode() in name for name, _ in summary[3] or ()):
                return True
        return False

    def _end_producer(self, fault: Fault, number: signal.Signals) -> str | None:
        pusher = self._target.pusher
        if not pusher.running():
            return None
        if pusher.paused:
            pusher.signal(signal.SIGCONT)
        pusher.signal(number)
        status = pusher.wait(20.0)
        if number == signal.SIGTERM and status != 0 and (status != -signal.SIGTERM or pusher.began()):
            self._target.fleet.unasked.append(f"the producer ended with {status} after SIGTERM")
        return f"status {status}, {fault.choice:.2f}"

    def _pause_producer(self, fault: Fault) -> str:
        pusher = self._target.pusher
        pusher.signal(signal.SIGSTOP)
        self._later(PAUSE_S * fault.length_s, "pause of the producer", lambda: pusher.signal(signal.SIGCONT))
        return "paused"

    def _scale(self, fault: Fault) -> str:
        """One scorer more after the other up to four, and later back to one."""
        fleet = self._target.fleet
        added = 0
        while sum(member.kind == "scorer" and not member.dismissed for member in fleet.members) < MOST_SCORERS:
            fleet.add("scorer")
            added += 1
        self._later(SCALED_S * fault.length_s, "scale to 4", self._scale_back)
        return f"{added} more scorers"

    def _scale_back(self) -> None:
        fleet = self._target.fleet
        for member in [member for member in fleet.members if member.kind == "scorer"][1:]:
            fleet.dismiss(member)

    def _second_monitor(self, fault: Fault) -> str:
        fleet = self._target.fleet
        member = fleet.add("monitor")
        self._later(SCALED_S * fault.length_s, "second monitor", lambda: fleet.dismiss(member))
        return member.name

    def _kill_server(self, fault: Fault) -> str:
        self._target.server.kill()
        time.sleep(0.5 * fault.length_s)
        began_s = time.monotonic()
        self._target.server.start()
        return f"kill -9, back {time.monotonic() - began_s:.1f} s after its start"

    def _flush_scripts(self, fault: Fault) -> str:
        self._target.client.insist("SCRIPT", "FLUSH", "ASYNC" if fault.choice < 0.5 else "SYNC")
        return "SCRIPT FLUSH"

    def _cut_connections(self, fault: Fault) -> str:
        killed = self._target.client.insist("CLIENT", "KILL", "TYPE", "normal")
        return f"{killed} connections, {fault.choice:.2f}"

    def _tear_reply(self, fault: Fault, word: bytes) -> str:
        """What was asked is done, and whoever asked does not hear of all of it."""
        size = int(TORN_BYTES * fault.choice)
        self._target.proxy.cut_next(word, after_bytes=size)
        return f"the next reply to {word.decode()} is cut after {size} bytes"

    def _destroy(self, fault: Fault, group: str) -> str | None:
        number = int(fault.choice * self._target.partitions)
        stream = self._damage.unhurt_records(number)
        if stream is None:
            return None
        return f"{self._target.client.insist('XGROUP', 'DESTROY', stream, group)} of {stream}"

    def _garbage_records(self, fault: Fault) -> str | None:
        number = int(fault.choice * self._target.partitions)
        stream = self._damage.unhurt_records(number)
        if stream is None:
            return None
        ids = []
        for _ in range(SPRAY):
            fields = next(self._records)
            if len(fields) <= 7_000:
                ids.append(self._target.client.insist("XADD", stream, "*", *fields))
        self.garbage_entries += len(ids)
        return f"{len(ids)} entries in {stream} from {ids[0].decode()}"

    def _garbage_entries(self, fault: Fault) -> str:
        number = int(fault.choice * self._target.partitions)
        said = [self._damage.stray(name, next(found), number) for name, found in self._entries.items()]
        self.garbage_entries += len(said)
        return "; ".join(said)

    def _hurt(self, fault: Fault, hurt: tuple[str, Callable[[], None]] | None, *, anew: bool = True) -> str | None:
        if hurt is None:
            return None
        what, mend = hurt

        def mended() -> None:
            mend()
            self._refuse_until_s = time.monotonic() + 5.0  # a service may have read the config just before

        self._later(DAMAGED_S * fault.length_s, what, mended)
        return f"{what}; {self._start_anew()} starts on it" if anew else what

    def _start_anew(self) -> str:
        """Kill some service and start it at once, so that one meets the damage while it starts."""
        kinds = ("scorer", "monitor", "trainer")
        members = [member for kind in kinds for member in self._target.fleet.running(kind)]
        if not members:
            return "nobody"
        member = self._dice.choice(members)
        self._target.fleet.kill(member)
        self._target.fleet.start(member)
        return member.name
