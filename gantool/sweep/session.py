"""A sweep from its plan to its table: the jobs, the workers, and the files that are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gantool.errors import GantoolError
from gantool.evaluation.subject import Place
from gantool.files import write_json
from gantool.runs.environment import describe_environment
from gantool.sweep.picture import draw_table
from gantool.sweep.plan import Point, Sweep
from gantool.sweep.table import SweepTable, tabulate
from gantool.sweep.workers import Done, Job, play
from gantool.training.signals import stop_on_signal

# Called with what ended, how many have, and of how many.
Report = Callable[[Done, int, int], None]


@dataclass
class _Ends:
    """What has become of the jobs so far."""

    jobs: Sequence[Job]
    report: Report
    done: dict[int, Done] = field(default_factory=dict)

    def __call__(self, done: Done) -> None:
        self.done[done.number] = done
        self.report(done, len(self.done), len(self.jobs))


def run_sweep(
    sweep: Sweep, measures: Sequence[tuple[str, Any]], place: Place, workers: int, report: Report, name: str = "sweep"
) -> tuple[SweepTable, int | None]:
    """Trains and measures what is missing, and writes `name`.json and `name`.png beside the runs.

    Seed by seed, so that the whole table is there early, with fewer seeds. Returns the table of what there is, and the
    number of the signal that stopped it, if one did. Raises GantoolError where a run failed otherwise than by
    diverging.
    """
    configs = [sweep.configs(point) for point in sweep.points]
    cells = [(index, seed) for seed in range(sweep.seeds) for index, own in enumerate(configs) if seed < len(own)]
    jobs = [
        Job(number, _label(sweep.points[index], seed), configs[index][seed], sweep.folder, tuple(measures), place)
        for number, (index, seed) in enumerate(cells)
    ]
    ends = _Ends(jobs, report)
    with stop_on_signal() as stop:
        play(jobs, workers, stop, ends)
    done = {cells[number]: end for number, end in ends.done.items()}
    table = tabulate(sweep, done, measures, describe_environment(place.device))
    if table.columns:
        write_json(sweep.folder / f"{name}.json", table.to_dict())
        draw_table(table, sweep.folder / f"{name}.png")
    for end in ends.done.values():
        if end.state == "failed":
            raise GantoolError(f"A run failed: {end.reason.strip()}")
    return table, stop.signal_number


def _label(point: Point, seed: int) -> str:
    return f"{point.group and point.group + ': '}{point.label}, seed {seed}"
