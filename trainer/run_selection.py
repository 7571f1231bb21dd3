"""Which runs a person asks to see, and in which order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import msgspec

from core.errors import SettingsError
from core.listing import listed
from core.miniflow import Parameter, RunMeta, RunSummary
from core.registry import Production

#: Parts of a metric's name that make the lower figure the better one.
_LOWER_IS_BETTER = ("loss", "brier", "error", "norm", "cost")
_RELATIONS: dict[str, Callable[[float | str, float | str], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_CONDITION = re.compile(r"\s*([^\s<>=!]+)\s*(<=|>=|!=|==|<|>|=)\s*(.*?)\s*")


class ListedRun(msgspec.Struct, frozen=True):
    """A run with what it is in the registry."""

    meta: RunMeta
    role: str  #: production, previous or empty
    metrics: dict[str, float | None]  #: the last value of each
    params: dict[str, Parameter]
    has_model: bool

    @property
    def run_id(self) -> str:
        """12 hex digits."""
        return self.meta.run_id

    def value(self, name: str) -> Parameter:
        """A metric, else a parameter, else what the meta data says; None where the run has nothing of the name."""
        if name in self.metrics:
            return self.metrics[name]
        if name in self.params:
            return self.params[name]
        return self._meta_values.get(name)

    @property
    def names(self) -> set[str]:
        """What :meth:`value` finds something for."""
        return {*self.metrics, *self.params, *self._meta_values}

    @property
    def _meta_values(self) -> dict[str, Parameter]:
        meta = self.meta
        return {
            "run_id": meta.run_id,
            "role": self.role,
            "reason": meta.reason,
            "outcome": meta.outcome or "unfinished",
            "started": meta.started_ts_ms,
            "finished": meta.finished_ts_ms,
        }


def listed_run(run: RunSummary, production: Production | None) -> ListedRun:
    """A run beside the registry's pointer."""
    role = ""
    if production is not None:
        role = {production.run_id: "production", production.previous: "previous"}.get(run.run_id, "")
    return ListedRun(run.meta, role, run.metrics, run.params, run.has_model)


@dataclass(frozen=True)
class Condition:
    """What a run must be: ``validation_accuracy>=.86``, ``solver=newton``, ``outcome!=refused``."""

    name: str
    relation: str
    value: str

    @classmethod
    def of(cls, text: str) -> Condition:
        """Read a condition. Raises SettingsError for what is none."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise SettingsError(
                f"{text[:80]!r} is no condition; write a name, one of = != < <= > >=, and a value, as in "
                "validation_accuracy>=.86"
            )
        return cls(*found.groups())

    def holds(self, run: ListedRun) -> bool:
        """Whether a run is so; numbers are compared as numbers. Where the run has no such figure it is not."""
        found = run.value(self.name)
        if found is None:
            return False
        compare = _RELATIONS[self.relation]
        if isinstance(found, int | float) and not isinstance(found, bool):
            wanted = _number(self.value)
            return self.relation == "!=" if wanted is None else compare(float(found), wanted)
        text = str(found).lower() if isinstance(found, bool) else str(found)
        return compare(text, self.value) if self.relation in {"=", "==", "!="} else False


@dataclass(frozen=True)
class Selection:
    """Filters, order and number of runs."""

    conditions: Sequence[Condition] = ()
    since_ts_ms: int = 0  #: only runs that started then or later
    sort: str = "started"
    reverse: bool = False
    count: int | None = None  #: only the first so many

    def of(self, runs: Iterable[ListedRun]) -> list[ListedRun]:
        """The runs asked for: the best first by a metric, the newest first by time, others ascending.

        Runs without the figure come last, whichever the order; of equal ones the newer first.

        Raises
        ------
        SettingsError
            A name that no run has.
        """
        known = sorted(runs, key=lambda run: (run.meta.started_ts_ms, run.run_id), reverse=True)
        check_names(known, [self.sort, *(condition.name for condition in self.conditions)])
        kept = [
            run
            for run in known
            if run.meta.started_ts_ms >= self.since_ts_ms
            and all(condition.holds(run) for condition in self.conditions)
        ]
        with_figure = [run for run in kept if run.value(self.sort) is not None]
        without = [run for run in kept if run.value(self.sort) is None]
        with_figure.sort(
            key=lambda run: _sort_key(run.value(self.sort)), reverse=self._falls(known) != self.reverse
        )
        return [*with_figure, *without][: self.count]

    def _falls(self, runs: list[ListedRun]) -> bool:
        """Whether the highest is shown first."""
        if self.sort in {"started", "finished"}:
            return True
        return any(self.sort in run.metrics for run in runs) and not lower_is_better(self.sort)


def lower_is_better(metric: str) -> bool:
    """Whether the lower of two figures of a metric is the better one, by its name."""
    return any(part in metric for part in _LOWER_IS_BETTER)


def check_names(runs: list[ListedRun], names: Iterable[str]) -> None:
    """Raises SettingsError for a name that none of the runs has, where there are runs."""
    known = set().union(*(run.names for run in runs))
    for name in names:
        if runs and name not in known:
            raise SettingsError(
                f"no run has a metric or parameter {name[:80]!r}; there are {listed(_nearest(name, known))}"
            )


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """Those most alike first, as a message shows only some."""
    matcher = SequenceMatcher(b=name)

    def unlikeness(each: str) -> tuple[float, str]:
        matcher.set_seq1(each)
        return -matcher.ratio(), each

    return sorted(known, key=unlikeness)


def _sort_key(value: Parameter) -> tuple[int, float, str]:
    """Numbers before text, each in its own order."""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
