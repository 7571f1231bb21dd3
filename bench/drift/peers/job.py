"""What is asked of a process that measures a peer, and what it answers: files, for it may have another python."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.drift.populations import RowPopulation
from bench.drift.run_length import Delays, RunLengths


@dataclass(frozen=True)
class Job:
    """One peer over the references and the streams that the engine has, too."""

    peer: str
    seed: int
    target_records: float  #: records to an alarm, in control
    target_runs: float  #: such run lengths for the settled knob, over all references
    references: int
    runs: int  #: of each change and reference
    cap_records: int

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        """What was written."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was measured of a peer, or of the engine beside it."""

    name: str
    knob: float  #: its value; the engine's is the budget
    tuned: bool  #: whether the alarm rate is near the target
    in_control: RunLengths
    delays: dict[str, Delays]  #: by the change's name

    def write(self, path: Path) -> None:
        """As JSON."""
        said = {
            "name": self.name,
            "knob": self.knob,
            "tuned": self.tuned,
            "lengths": self.in_control.lengths.tolist(),
            "records": self.in_control.records,
            "delays": {
                name: [found.records.tolist(), found.detected.tolist(), found.false_alarms]
                for name, found in self.delays.items()
            },
        }
        path.write_text(json.dumps(said), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Outcome:
        """What was written."""
        said = json.loads(path.read_text(encoding="utf-8"))
        in_control = RunLengths(np.array(said["lengths"], dtype=np.int64), said["records"])
        delays = {
            name: Delays(np.array(records, dtype=np.int64), np.array(detected, dtype=np.bool_), false_alarms)
            for name, (records, detected, false_alarms) in said["delays"].items()
        }
        return cls(said["name"], said["knob"], said["tuned"], in_control, delays)


def write_population(path: Path, population: RowPopulation) -> None:
    """Its rows, classes and names as NumPy's own file."""
    classes = np.zeros(0, dtype=np.bool_) if population.classes is None else population.classes
    features, name = np.array(population.features), np.array(population.name)
    np.savez(path, rows=population.rows, classes=classes, features=features, name=name)


def read_population(path: Path) -> RowPopulation:
    """What was written."""
    with np.load(path, allow_pickle=False) as file:
        classes = file["classes"] if len(file["classes"]) else None
        return RowPopulation(str(file["name"]), tuple(file["features"].tolist()), file["rows"], classes)
