"""One display for replicas: it shows the mean of what they measure, and names the one that raises an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gantool.training.record.metrics import Alarm, Look, Record

if TYPE_CHECKING:
    from gantool.cli.progress import Display


class ReplicaDisplay:
    """Gathers the replicas' records of one step, and passes their mean on when all have come.

    A replica that failed sends none from then on: the mean is then of the others, and passed on when the next
    step's records begin to come. A context manager, since the last step's have no next.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self.observers = 0
        self.taken: list[Record] = []

    def __enter__(self) -> ReplicaDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

    def observer(self, name: str) -> ReplicaObserver:
        """The observer of the replica of this name."""
        self.observers += 1
        return ReplicaObserver(self, name)

    def take(self, name: str, record: Record) -> None:
        """Takes in a replica's record."""
        if self.taken and self.taken[0].step != record.step:
            self._pass_on()
        alarms = tuple(Alarm(alarm.kind, f"{name}: {alarm.sentence}") for alarm in record.alarms)
        self.taken.append(replace(record, alarms=alarms))
        if len(self.taken) == self.observers:
            self._pass_on()

    def _pass_on(self) -> None:
        if self.taken:
            self.display.on_record(mean_record(self.taken))
        self.taken = []


@dataclass(frozen=True)
class ReplicaObserver:
    """The observer of one replica."""

    shared: ReplicaDisplay
    name: str

    def on_record(self, record: Record) -> None:
        self.shared.take(self.name, record)

    def on_samples(self, step: int, sheet: Path) -> None:
        self.shared.display.on_samples(step, sheet)

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        self.shared.display.on_checkpoint(step, checkpoint)


def mean_record(records: Sequence[Record]) -> Record:
    """The mean of every figure of one step's records, and of their looks' where all have one; every alarm."""
    first = records[0]
    names = [field.name for field in fields(Record) if field.name not in ("step", "epoch", "look", "alarms")]
    means: dict[str, Any] = {name: fmean(getattr(record, name) for record in records) for name in names}
    alarms = tuple(alarm for record in records for alarm in record.alarms)
    looks = [record.look for record in records if record.look]
    look = _mean_look(looks) if len(looks) == len(records) else None
    return replace(first, **means, alarms=alarms, look=look)


def _mean_look(looks: Sequence[Look]) -> Look:
    def mean(name: str) -> float | None:
        values = [getattr(look, name) for look in looks]
        return None if None in values else fmean(values)

    means: dict[str, Any] = {field.name: mean(field.name) for field in fields(Look)}
    return Look(**means)
